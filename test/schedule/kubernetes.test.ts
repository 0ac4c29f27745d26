import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { defaultLoaders } from 'cosmiconfig';
import fc from 'fast-check';
import { nextDue } from '../../src/schedule/due.ts';
import { InexactSchedule } from '../../src/schedule/inexact.ts';
import { type KubernetesJob, kubernetesManifest } from '../../src/schedule/kubernetes.ts';
import { expressions, NOW, strikes } from './expressions.ts';

const JAKARTA = { cron: '0 3 * * *', timeZone: 'Asia/Jakarta' };

/** Names that mean something to YAML, to Kubernetes, to a shell, or to a command line. */
const EVIL = [
  '',
  'Users',
  "o'hara",
  'say "hi"',
  '$HOME',
  '$(HOME)',
  '$$(HOME)',
  '$$',
  '$',
  '$(reboot',
  '`reboot`',
  '-x',
  '--help',
  'two words',
  'two\nlines\r\n',
  'tab\tand bell\u0007',
  'a: b # c',
  '*',
  '&anchor',
  '|',
  'yes',
  '0o17',
  '\\n%s',
  'next\u0085line\u2028separator\u2029\ufeff',
  '組織 😀',
];

function job(changes: Partial<KubernetesJob> = {}): KubernetesJob {
  return {
    name: 'tamhr-sync',
    schedule: JAKARTA,
    image: 'registry.example.com:5000/tamhr-sync:0.1.0',
    configFile: 'sync.config.json',
    entities: ['Users', 'ActualOrg'],
    variables: ['TAMHR_LOG_CONNECTION', 'TAMHR_API_KEY'],
    graceSeconds: 60,
    ...changes,
  };
}

// biome-ignore lint/suspicious/noExplicitAny: a manifest, whose parts the tests look at one by one
type AnyManifest = any;

function parsed(text: string): AnyManifest {
  return defaultLoaders['.yaml']('manifest.yaml', text);
}

function manifestOf(changes: Partial<KubernetesJob> = {}): AnyManifest {
  return parsed(kubernetesManifest(job(changes)).text);
}

const cronOf = (cron: string, timeZone = 'UTC') => manifestOf({ schedule: { cron, timeZone } }).spec.schedule;

/** What Kubernetes makes of a word of a command: third_party/forked/golang/expansion of its source. */
function expanded(word: string, variables: Readonly<Record<string, string>>): string {
  return word.replaceAll(/\$\$|\$\(([^)]*)\)/g, (all, name?: string) =>
    name === undefined ? '$' : (variables[name] ?? all),
  );
}

describe('the manifest', () => {
  test('is a CronJob with an index for each entity', () => {
    const { name, text } = kubernetesManifest(job());
    assert.equal(name, 'tamhr-sync.yaml');
    const { apiVersion, kind, metadata, spec } = parsed(text);
    assert.deepEqual([apiVersion, kind, metadata.name], ['batch/v1', 'CronJob', 'tamhr-sync']);
    assert.deepEqual(
      [spec.schedule, spec.timeZone, spec.concurrencyPolicy, spec.startingDeadlineSeconds],
      ['0 3 * * *', 'Asia/Jakarta', 'Forbid', 3600],
    );
    const { template, ...indexed } = spec.jobTemplate.spec;
    assert.deepEqual(indexed, {
      completionMode: 'Indexed',
      completions: 2,
      parallelism: 2,
      backoffLimitPerIndex: 2,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
          { action: 'FailIndex', onExitCodes: { operator: 'In', values: [1, 2, 64, 69, 70, 75, 78] } },
        ],
      },
    });
    const { containers, volumes, restartPolicy, terminationGracePeriodSeconds } = template.spec;
    assert.deepEqual([restartPolicy, terminationGracePeriodSeconds], ['Never', 60]);
    assert.deepEqual(volumes, [{ name: 'config', configMap: { name: 'tamhr-sync' } }]);
    assert.deepEqual(containers[0].envFrom, [{ secretRef: { name: 'tamhr-sync' } }]);
    assert.equal(containers[0].image, 'registry.example.com:5000/tamhr-sync:0.1.0');
    assert.match(text, /^# The ConfigMap .* The Secret tamhr-sync holds TAMHR_LOG_CONNECTION, TAMHR_API_KEY\.$/m);
  });

  test('needs no Secret where the configuration refers to no variable', () => {
    const { text } = kubernetesManifest(job({ variables: [] }));
    assert.ok(!/secret/i.test(text), text);
  });

  test('holds every name as it is, whatever is in it', () => {
    const holds = (entities: readonly string[]) => {
      const { args } = manifestOf({ entities }).spec.jobTemplate.spec.template.spec.containers[0];
      const variables = { HOME: '/root', reboot: 'no' };
      assert.deepEqual(
        args.map((word: string) => expanded(word, variables)),
        entities,
      );
    };
    holds(EVIL);
    const names = fc.array(
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(...'$()\'" \nH') })),
      {
        minLength: 1,
      },
    );
    fc.assert(fc.property(names, holds));
  });

  test('is refused where Kubernetes would refuse it later: its name, those in the ConfigMap, a variable, no entity', () => {
    const five = ['a', 'b', 'c', 'd', 'e'];
    for (const name of ['Tamhr', 'tamhr_sync', '-a', 'a-', 'a.b', 'a'.repeat(51)]) {
      assert.throws(() => kubernetesManifest(job({ name, entities: five })), {
        name: 'InexactSchedule',
        message: /takes no CronJob/,
      });
    }
    assert.equal(manifestOf({ name: 'a'.repeat(50), entities: five }).metadata.name.length, 50);
    assert.throws(
      () => kubernetesManifest(job({ configFile: 'my config.json' })),
      /A ConfigMap cannot hold "my config/,
    );
    // A Secret could hold this one.
    assert.throws(() => kubernetesManifest(job({ variables: ['api.key'] })), /not pass the variable "api\.key" on/);
    assert.throws(() => kubernetesManifest(job({ entities: [] })), /No entity is enabled/);
  });
});

describe('the schedule of a CronJob', () => {
  test('is due at the same instants, and has nothing that Kubernetes reads in another way than croner', () => {
    let written = 0;
    fc.assert(
      fc.property(expressions, (cron) => {
        const schedule = { cron, timeZone: 'Asia/Jakarta' };
        let fields: string;
        try {
          fc.pre(nextDue(schedule, NOW) !== undefined);
          fields = cronOf(cron, 'Asia/Jakarta');
        } catch (error) {
          if (error instanceof InexactSchedule) return;
          throw error;
        }
        written++;
        // Only numbers, without a Sunday 7; a step would lift the rule that one of two restricted fields is enough.
        assert.match(fields, /^(\*|[\d,-]+) (\*|[\d,-]+) (\*|[\d,-]+) (\*|[\d,-]+) (\*|[0-6,-]+)$/);
        const until = new Date(NOW.getTime() + 400 * 86_400_000);
        assert.deepEqual(
          strikes([{ ...schedule, cron: fields }], NOW, until, 30),
          strikes([schedule], NOW, until, 30),
          `${cron} → ${fields}`,
        );
      }),
      { numRuns: 100 },
    );
    assert.ok(written > 50, `written: ${written}`);
  });

  test('has names and nicknames as numbers, and a Sunday as 0', () => {
    assert.equal(cronOf('30 3 ? JAN,mar 7'), '30 3 * 1,3 0');
    assert.equal(cronOf('@weekly'), '0 0 * * 0');
    assert.equal(cronOf(' */20  3-5 1 * FRI-SUN\n'), '0,20,40 3-5 1 * 0,5,6');
  });

  test('cannot be one of L, W, #, of a date and a weekday together, or of a zone without a name', () => {
    for (const cron of ['0 3 L * *', '0 3 15W * *', '0 3 * * MON#1']) {
      assert.throws(() => cronOf(cron), { name: 'InexactSchedule', message: /has L, W or #/ });
    }
    assert.throws(() => cronOf('0 3 1-7 * +SUN'), { name: 'InexactSchedule', message: /together \(\+\)/ });
    assert.equal(
      manifestOf({ schedule: { cron: '0 3 * * *', timeZone: 'asia/jakarta' } }).spec.timeZone,
      'Asia/Jakarta',
    );
    assert.throws(() => cronOf('0 3 * * *', 'asia/kolkata'), { message: /no time zone that is spelled asia/ });
    assert.throws(() => cronOf('0 3 * * *', '+07:00'), { name: 'InexactSchedule', message: /no time zone \+07:00/ });
  });
});

describe("the container's command", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tamhr-sync-kubernetes-'));
    const program = join(folder, 'tamhr-sync');
    await writeFile(program, '#!/bin/sh\nprintf "%s\\0" "$$" "$@"\nexit 2\n');
    await chmod(program, 0o755);
  });
  after(() => rm(folder, { recursive: true }));

  const shells = ['/bin/sh', '/bin/dash', '/bin/bash', '/bin/busybox'].filter(existsSync);
  for (const shell of shells) {
    /** How the container ends at an index, as the kubelet starts it. */
    const started = (entities: readonly string[], index: string) => {
      const { command, args } = manifestOf({ entities }).spec.jobTemplate.spec.template.spec.containers[0];
      const env = { PATH: `${folder}:/usr/bin:/bin`, HOME: '/root', JOB_COMPLETION_INDEX: index };
      const [, ...words] = [...command, ...args].map((word: string) => expanded(word, env));
      const all = shell.endsWith('busybox') ? ['sh', ...words] : words;
      const { pid, status, stdout } = spawnSync(shell, all, { env, encoding: 'utf8' });
      return { pid: String(pid), status, printed: stdout.split('\0').slice(0, -1) };
    };

    test(`runs the entity of its index alone, whatever it is called, under ${shell}`, () => {
      EVIL.forEach((entity, index) => {
        const { pid, status, printed } = started(EVIL, String(index));
        // The same process, so that SIGTERM reaches it; its exit code is that of the run.
        assert.deepEqual(printed, [pid, 'run', '--config', '/job/sync.config.json', `--entity=${entity}`]);
        assert.equal(status, 2);
      });
    });

    test(`starts nothing for an index that there is not, under ${shell}`, () => {
      for (const index of ['2', '99', '', 'x']) {
        const { status, printed } = started(['Users', 'ActualOrg'], index);
        assert.deepEqual([status, printed], [64, []], JSON.stringify(index));
      }
    });
  }
});
