/** The program crontab, which reads and replaces the crontab of the user who calls it. */
import { spawn } from 'node:child_process';
import { SyncError } from '../../sync/errors.ts';

/** Found on PATH; POSIX names it so. */
const PROGRAM = 'crontab';

/**
 * The user's crontab, empty where there is none. It is text in whatever encoding, so each character stands for a byte
 * (latin1). Throws SyncError SCHEDULER_FAILED.
 */
export async function readCrontab(env: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await crontab(['-l'], '', env);
  if (code === 0) return stdout;
  // Of cron, cronie and busybox, which have no exit code of its own for it.
  if (/no crontab for|can't open .*no such file/i.test(stderr)) return '';
  throw refused('read', stderr);
}

/** Replaces it. Throws SyncError SCHEDULER_FAILED. */
export async function writeCrontab(text: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { code, stderr } = await crontab(['-'], text, env);
  if (code !== 0) throw refused('replaced', stderr);
}

function refused(what: string, stderr: string): SyncError {
  const said = stderr.trim().replaceAll(/\s*\n\s*/g, ' ');
  return new SyncError(
    'SCHEDULER_FAILED',
    `The crontab could not be ${what}; crontab says: ${said || 'nothing'}`,
    /not allowed/i.test(said)
      ? 'Let an administrator add this user to /etc/cron.allow, or use schedule print --as systemd.'
      : 'Try crontab -l as this user, or insert what schedule print --as cron prints with crontab -e.',
  );
}

async function crontab(args: readonly string[], input: string, env: NodeJS.ProcessEnv) {
  // Its messages are only known in English.
  const child = spawn(PROGRAM, args, { env: { ...env, LC_ALL: 'C' }, stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // One that ends without reading says why on stderr.
  child.stdin.on('error', () => {}).end(input, 'latin1');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('close', resolve);
    child.on('error', (error) =>
      reject(
        new SyncError(
          'SCHEDULER_FAILED',
          `The program ${PROGRAM} cannot be started: ${error.message}.`,
          'Install cron (on Debian: apt-get install cron), or use schedule print for systemd or Task Scheduler.',
        ),
      ),
    );
  });
  return { code, stdout, stderr };
}
