import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SqlServerError, type SqlType, type SqlValue } from '../../../../dev/sqlserver/engine.ts';
import { PreparedStatements } from '../../../../dev/sqlserver/wire/prepared.ts';
import type { RpcParameter } from '../../../../dev/sqlserver/wire/requests.ts';

const nvarchar: SqlType = { name: 'nvarchar', length: 4000 };

function parameter(name: string, type: SqlType, value: SqlValue, output = false): RpcParameter {
  return { name, type, value, output };
}

function executeSql(declaration: string, ...values: RpcParameter[]) {
  const parameters = [parameter('', nvarchar, 'SELECT 1'), parameter('', nvarchar, declaration), ...values];
  return new PreparedStatements().resolve({ procedure: 'sp_executesql', parameters }).run?.parameters;
}

function refusedWith(number: number) {
  return (error: unknown): boolean => error instanceof SqlServerError && error.info.number === number;
}

describe('sp_executesql', () => {
  it('gives each parameter the type of its declaration', () => {
    const text = 'a, b';
    assert.deepEqual(
      executeSql(
        '@a nvarchar(10), @b decimal(9, 2) OUTPUT,@c varchar(max)=NULL, @d datetime2, @e bigint',
        parameter('@b', { name: 'decimal', precision: 18, scale: 1 }, 15n, true),
        parameter('@a', nvarchar, text),
        parameter('@c', nvarchar, null),
        parameter('@d', { name: 'datetime2', scale: 3 }, 5n),
        parameter('@e', { name: 'int' }, 7),
      ),
      [
        { name: '@a', type: { name: 'nvarchar', length: 10 }, value: text, output: false },
        { name: '@b', type: { name: 'decimal', precision: 18, scale: 1 }, value: 15n, output: true },
        { name: '@c', type: { name: 'varchar', length: 'max' }, value: null, output: false },
        { name: '@d', type: { name: 'datetime2', scale: 7 }, value: 5n, output: false },
        { name: '@e', type: { name: 'bigint' }, value: 7n, output: false },
      ],
    );
  });

  it('takes parameters without names in the order of the declaration', () => {
    const given = executeSql('@x int, @y int', parameter('', { name: 'int' }, 1), parameter('', { name: 'int' }, 2));
    assert.deepEqual(
      given?.map(({ name, value }) => [name, value]),
      [
        ['@x', 1],
        ['@y', 2],
      ],
    );
  });

  it('refuses a missing, an unknown and a surplus parameter, and an unknown type', () => {
    const one = parameter('@x', { name: 'int' }, 1);
    assert.throws(() => executeSql('@x int, @y int', one), refusedWith(8178));
    assert.throws(() => executeSql('@y int', one), refusedWith(8145));
    assert.throws(() => executeSql('@x int', one, one), refusedWith(8144));
    assert.throws(() => executeSql('@x whatever', one), refusedWith(2715));
    assert.throws(() => executeSql('x int', one), refusedWith(102));
  });
});

describe('prepared statements', () => {
  const prepare = {
    procedure: 'sp_prepare',
    parameters: [
      parameter('@handle', { name: 'int' }, null, true),
      parameter('@params', nvarchar, '@a int'),
      parameter('@stmt', nvarchar, 'SELECT @a'),
    ],
  };

  it('run under their handle until they are unprepared', () => {
    const prepared = new PreparedStatements();
    assert.deepEqual(prepared.resolve(prepare).outputs, [{ name: '@handle', value: 1 }]);
    const handle = parameter('@handle', { name: 'int' }, 1);
    const execute = { procedure: 'sp_execute', parameters: [handle, parameter('@a', { name: 'int' }, 5)] };
    assert.equal(prepared.resolve(execute).run?.sql, 'SELECT @a');
    prepared.resolve({ procedure: 'sp_unprepare', parameters: [handle] });
    assert.throws(() => prepared.resolve(execute), refusedWith(8179));
  });

  it('are forgotten with a reset of the connection', () => {
    const prepared = new PreparedStatements();
    prepared.resolve(prepare);
    prepared.clear();
    assert.throws(
      () => prepared.resolve({ procedure: 'sp_execute', parameters: [parameter('', { name: 'int' }, 1)] }),
      refusedWith(8179),
    );
  });

  it('can be prepared and run at once', () => {
    const execution = new PreparedStatements().resolve({
      procedure: '[sys].[sp_prepexec]',
      parameters: [...prepare.parameters, parameter('@a', { name: 'int' }, 9)],
    });
    assert.equal(execution.outputs[0]?.value, 1);
    assert.deepEqual(execution.run?.parameters, [{ name: '@a', type: { name: 'int' }, value: 9, output: false }]);
  });
});
