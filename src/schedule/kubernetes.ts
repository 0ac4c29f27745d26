/**
 * The job as a CronJob of Kubernetes, an index an entity: https://kubernetes.io/docs/concepts/workloads/controllers/job/
 * docs/scale.md tells what is in it and why.
 */
import { cronFields } from './cron-fields.ts';
import type { Schedule } from './due.ts';
import { InexactSchedule } from './inexact.ts';
import { type SchedulerFile, WRITTEN_BY } from './job.ts';
import { readExpression } from './starts.ts';
import { zoneName } from './zone-name.ts';

/** The nightly job, to be handed to a cluster. */
export interface KubernetesJob {
  /** Name of the CronJob, and of the ConfigMap and the Secret that it reads. */
  readonly name: string;
  readonly schedule: Schedule;
  readonly image: string;
  /** Name of the configuration's file, without its folder. */
  readonly configFile: string;
  /** Names of the entities, which may hold any character. */
  readonly entities: readonly string[];
  /** Names of the variables that the configuration refers to. */
  readonly variables: readonly string[];
  /** How long a pod that is told to stop may take to finish what is in flight. */
  readonly graceSeconds: number;
}

type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml };

/** Where the container has the configuration: the image's working directory. */
export const POD_FOLDER = '/job';

/** The image's user `node`; Kubernetes cannot tell by that name that it is not root. */
const USER_ID = 1000;

/**
 * A start that the cluster could not make in time is made up for within an hour. Of more than 100 missed starts it makes up for
 * none, and an hour has fewer.
 */
const STARTING_DEADLINE_SECONDS = 3600;

/**
 * Exit codes that another pod would end with, too, or that have to wait for the next night. In ascending order. 69 is among them:
 * a run tries again by itself what may pass, and a login that was refused is not to be tried again by anybody.
 */
const FINAL_EXIT_CODES = [1, 2, 64, 69, 70, 75, 78];

/** A run whose container was killed is started again so many times. */
const RETRIES = 2;

/** Keys of ConfigMaps: https://kubernetes.io/docs/concepts/configuration/configmap/ */
const KEY = /^[-._A-Za-z0-9]+$/;

/** Variables that each shell passes on; dash drops all others: https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Names of hosts, which pods have of their job: RFC 1123. */
const LONGEST_HOST_NAME = 63;

/** What a CronJob adds to its name for each job, at most. */
const JOB_SUFFIX_LENGTH = 11;

/**
 * The shell passes over as many names as its index says, and becomes the run of the next one, so that this gets the signals.
 * Names are arguments of their own: nothing that they hold means anything to the shell.
 */
function script(configFile: string): string {
  return [
    '[ "$#" -gt "$JOB_COMPLETION_INDEX" ] || exit 64',
    'shift "$JOB_COMPLETION_INDEX"',
    `exec tamhr-sync run --config ${POD_FOLDER}/${configFile} --entity="$1"`,
  ].join('\n');
}

/**
 * NAME.yaml: a CronJob whose pods run an entity each, for Kubernetes 1.29 and later. Throws InexactSchedule for a schedule that
 * a CronJob cannot keep, and for names that Kubernetes does not take.
 */
export function kubernetesManifest(job: KubernetesJob): SchedulerFile {
  checkNames(job);
  const { name, schedule, image, configFile, entities, variables, graceSeconds } = job;
  const timeZone = zoneName(schedule.timeZone, 'Kubernetes');
  const cron = cronOf(schedule.cron);
  const labels = { 'app.kubernetes.io/name': name };
  const manifest: Yaml = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, labels },
    spec: {
      schedule: cron,
      timeZone,
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: STARTING_DEADLINE_SECONDS,
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 7,
      jobTemplate: {
        spec: {
          completionMode: 'Indexed',
          completions: entities.length,
          parallelism: entities.length,
          // By index: a limit of the whole job would end all pods at once when one fails.
          backoffLimitPerIndex: RETRIES,
          podFailurePolicy: {
            rules: [
              { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
              { action: 'FailIndex', onExitCodes: { operator: 'In', values: FINAL_EXIT_CODES } },
            ],
          },
          template: {
            metadata: { labels },
            spec: {
              restartPolicy: 'Never',
              terminationGracePeriodSeconds: graceSeconds,
              automountServiceAccountToken: false,
              securityContext: {
                runAsNonRoot: true,
                runAsUser: USER_ID,
                runAsGroup: USER_ID,
                seccompProfile: { type: 'RuntimeDefault' },
              },
              containers: [
                {
                  name: 'run',
                  image,
                  workingDir: POD_FOLDER,
                  // The word after the script is what the shell calls itself.
                  command: ['sh', '-c', script(configFile), 'tamhr-sync'].map(unexpanded),
                  args: entities.map(unexpanded),
                  ...(variables.length > 0 && { envFrom: [{ secretRef: { name } }] }),
                  volumeMounts: [{ name: 'config', mountPath: POD_FOLDER, readOnly: true }],
                  securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ['ALL'] },
                  },
                },
              ],
              volumes: [{ name: 'config', configMap: { name } }],
            },
          },
        },
      },
    },
  };
  const secret = variables.length === 0 ? '' : ` The Secret ${name} holds ${variables.join(', ')}.`;
  const heading = [
    `# ${WRITTEN_BY} --as kubernetes: ${cron} in ${timeZone}. It needs Kubernetes 1.29 or later.`,
    `# The ConfigMap ${name} holds ${configFile}.${secret}`,
  ];
  return { name: `${name}.yaml`, text: `${[...heading, ...block(manifest)].join('\n')}\n` };
}

/** Kubernetes knows no Sunday called 7 (https://pkg.go.dev/github.com/robfig/cron/v3), so fields are written anew. */
function cronOf(cron: string): string {
  const [fields = '', ...more] = cronFields(readExpression(cron));
  if (more.length === 0) return fields;
  throw new Error(`${cron} has hours with different minutes`);
}

function checkNames({ name, configFile, entities, variables }: KubernetesJob): void {
  if (entities.length === 0) {
    throw new InexactSchedule('No entity is enabled, so there is nothing to run.', 'Enable one in the configuration.');
  }
  const longest = LONGEST_HOST_NAME - JOB_SUFFIX_LENGTH - `-${entities.length - 1}`.length;
  if (!/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) || name.length > longest) {
    throw new InexactSchedule(
      `Kubernetes takes no CronJob of ${entities.length} entities that is called ${name}.`,
      `Choose a --name of lower-case letters, digits and -, at most ${longest} characters.`,
    );
  }
  if (!KEY.test(configFile)) {
    throw new InexactSchedule(
      `A ConfigMap cannot hold ${JSON.stringify(configFile)}.`,
      'Give it a name of letters, digits, -, _ and dots.',
    );
  }
  const lost = variables.find((variable) => !VARIABLE.test(variable));
  if (lost === undefined) return;
  throw new InexactSchedule(
    `The shell of the container does not pass the variable ${JSON.stringify(lost)} on.`,
    'Give it a name of letters, digits and _.',
  );
}

/** Kubernetes replaces $(NAME) in commands and arguments, and $$ by $. */
function unexpanded(word: string): string {
  return word.replaceAll(/\$(?=[$(])/g, '$$$$');
}

/** In block style, a line an element. Keys are our own, or names that checkNames has let pass. */
function block(value: Yaml): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: Yaml) => block(item).map((line, index) => `${index === 0 ? '-' : ' '} ${line}`));
  }
  if (typeof value !== 'object') return [scalar(value)];
  return Object.entries(value).flatMap(([key, child]) =>
    typeof child === 'object' ? [`${key}:`, ...block(child).map((line) => `  ${line}`)] : [`${key}: ${scalar(child)}`],
  );
}

/** Strings as JSON has them, but for what YAML 1.1 takes for the end of a line, or for no text at all. */
function scalar(value: string | number | boolean): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
