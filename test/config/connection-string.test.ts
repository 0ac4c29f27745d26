import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseConnectionString, splitConnectionString } from '../../src/config/connection-string.ts';

/** A pair's value as a careful person writes it: in quotes, the quote doubled. */
function quoted(value: string, quote: '"' | "'"): string {
  return quote + value.replaceAll(quote, quote + quote) + quote;
}

function split(text: string): Record<string, string> {
  return Object.fromEntries(splitConnectionString(text) ?? [['no', 'connection string']]);
}

describe('splitConnectionString', () => {
  test('gives back every value that stands in quotes', () => {
    const pair = fc.tuple(fc.string({ unit: 'binary' }), fc.constantFrom('"', "'"));
    fc.assert(
      fc.property(
        fc.array(pair, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(';', ' ; ', ';;', ';\r\n'),
        (pairs, separator) => {
          const text = pairs.map(([value, quote], index) => `K${index}=${quoted(value, quote as '"')}`).join(separator);
          assert.deepEqual(split(text), Object.fromEntries(pairs.map(([value], index) => [`k${index}`, value])));
        },
      ),
    );
  });

  test('gives back every plain value without its outer white space', () => {
    const plain = fc.string({ unit: 'grapheme-ascii' }).filter((value) => !/;|^\s*["']/.test(value));
    // After `b=` without white space it would make `b==`, where == is a keyword's own =.
    const notEqual = plain.filter((value) => !value.startsWith('='));
    fc.assert(
      fc.property(plain, notEqual, (first, second) => {
        assert.deepEqual(split(`A = ${first} ;b=${second}`), { a: first.trim(), b: second.trim() });
      }),
    );
  });

  test('takes any text without an exception', () => {
    const pieces = fc.constantFrom('a', 'b c', '=', '==', ';', '"', "'", ' ', '\n', '{', '}', 'Password');
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        splitConnectionString(parts.join(''));
      }),
    );
  });

  test('takes an empty value, semicolons too many, == in a keyword and braces as ADO.NET does', () => {
    assert.deepEqual(split('Password=;User ID=sa'), { password: '', userid: 'sa' });
    assert.deepEqual(split(';Server=a;;Database=b;;'), { server: 'a', database: 'b' });
    assert.deepEqual(split('a==b=c'), { 'a=b': 'c' });
    assert.deepEqual(split('Password={x}y;Server=a'), { password: '{x}y', server: 'a' });
    assert.deepEqual(split('Password=ab==;Server=a'), { password: 'ab==', server: 'a' });
    assert.deepEqual(split('Server=a;server=b'), { server: 'b' });
    assert.deepEqual(split(''), {});
  });

  test('refuses what is no list of keyword=value', () => {
    for (const text of ['Server', 'Server=a;Password', 'Password="abc', 'Password="a"b', '=x']) {
      assert.equal(splitConnectionString(text), undefined, text);
    }
  });
});

describe('parseConnectionString', () => {
  test('reads the form of the old appsettings.json', () => {
    const text =
      'data source=10.1.2.3;initial catalog=TAMHR_MDM;persist security info=True;user id=sync;password=p;TrustServerCertificate=True;MultipleActiveResultSets=True;App=EntityFramework;';
    assert.deepEqual(parseConnectionString(text), {
      connection: {
        server: '10.1.2.3',
        database: 'TAMHR_MDM',
        user: 'sync',
        password: 'p',
        trustServerCertificate: true,
        appName: 'EntityFramework',
      },
      integratedSecurity: false,
      problems: [],
      warnings: [],
    });
  });

  test('knows the synonyms, with and without spaces', () => {
    for (const text of [
      'Server=s;Database=d;UID=u;PWD=p;Trust Server Certificate=yes;Application Name=n;Connect Timeout=5',
      'Addr=s;Initial Catalog=d;User=u;Password=p;TrustServerCertificate=true;App=n;Timeout=5',
      'NETWORK ADDRESS=s;DATABASE=d;USER ID=u;PASSWORD=p;TRUSTSERVERCERTIFICATE=YES;APP=n;CONNECTION TIMEOUT=5',
    ]) {
      assert.deepEqual(
        parseConnectionString(text).connection,
        {
          server: 's',
          database: 'd',
          user: 'u',
          password: 'p',
          trustServerCertificate: true,
          appName: 'n',
          connectTimeoutMs: 5000,
        },
        text,
      );
    }
  });

  test('reads every form of Encrypt', () => {
    const forms = {
      true: true,
      Yes: true,
      Mandatory: true,
      False: false,
      no: false,
      Optional: false,
      Strict: 'strict',
    };
    for (const [form, encrypt] of Object.entries(forms)) {
      assert.deepEqual(parseConnectionString(`Encrypt=${form}`).connection, { encrypt }, form);
    }
  });

  test('reads timeouts in seconds, 0 as no limit', () => {
    const { connection } = parseConnectionString('Connect Timeout=0;Command Timeout=90');
    assert.deepEqual(connection, { connectTimeoutMs: 2_147_483_647, requestTimeoutMs: 90_000 });
  });

  test('reads availability group keywords', () => {
    const { connection } = parseConnectionString(
      'ApplicationIntent=ReadOnly;Multi Subnet Failover=True;HostNameInCertificate=ag',
    );
    assert.deepEqual(connection, { readOnlyIntent: true, multiSubnetFailover: true, serverName: 'ag' });
  });

  test('suggests the keyword that an unknown one is near, and never shows the unknown one', () => {
    assert.deepEqual(parseConnectionString('Sevrer=x;Inital Catalog=y').problems, [
      'keyword 1 is unknown, did you mean "Server"?',
      'keyword 2 is unknown, did you mean "Initial Catalog"?',
    ]);
    // A password with ; and = in it, without quotes.
    assert.deepEqual(parseConnectionString('Server=a;Password=x;hunter2hunter2=y').problems, [
      'keyword 3 is unknown (a value with ; in it stands in quotes)',
    ]);
  });

  const refused: Record<string, RegExp> = {
    'Driver={ODBC Driver 18 for SQL Server};Server=x': /ODBC connection string/,
    'Provider=SQLOLEDB;Data Source=x': /OLE DB connection string/,
    "metadata=res://*/Model.csdl;provider=System.Data.SqlClient;provider connection string='data source=x'":
      /Entity Framework/,
    'Server=x;Authentication=Active Directory Default': /Entra/,
    'Server=x;Authentication=ActiveDirectoryPassword': /Entra/,
    'Server=x;Authentication=nonsense': /Authentication has an unknown value/,
    'Server=x;Encrypt=perhaps': /Encrypt has an unknown value, expected "true"/,
    'Server=x;Connect Timeout=soon': /Connect Timeout is no whole number/,
    'Server=x;AttachDbFilename=C:\\x.mdf': /AttachDbFilename is not supported/,
    'Server=x;User Instance=true': /User Instance is not supported/,
    'Server=x;Context Connection=true': /Context Connection is not supported/,
    'Server=x;Column Encryption Setting=Enabled': /Always Encrypted/,
    'Server=x;Network Library=dbnmpntw': /expected TCP/,
    'Server=x;ServerCertificate=c:\\x.cer': /Server Certificate is not supported/,
    'not a connection string': /no ADO\.NET connection string/,
  };
  for (const [text, problem] of Object.entries(refused)) {
    test(`refuses ${text}`, () => {
      const { problems } = parseConnectionString(text);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', problem);
    });
  }

  test('lets keywords pass that mean nothing to it', () => {
    const text =
      'Pooling=false;Max Pool Size=5;Packet Size=4096;Workstation ID=w;Enlist=true;Connect Retry Count=2;Type System Version=Latest;Current Language=id;Asynchronous Processing=true;Network Library=DBMSSOCN;IP Address Preference=IPv4First';
    assert.deepEqual(parseConnectionString(text), {
      connection: {},
      integratedSecurity: false,
      problems: [],
      warnings: [],
    });
  });

  test('warns of a failover partner, which it ignores', () => {
    assert.deepEqual(parseConnectionString('Failover Partner=b').warnings, ['Failover Partner is ignored']);
  });
});
