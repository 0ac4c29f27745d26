/**
 * Preloaded (`--import`) into a process that is measured: when it exits, what it used goes as JSON into the file that
 * BENCH_USAGE_FILE names.
 */
import { readFileSync, writeFileSync } from 'node:fs';

/** What a process used from its start to its exit. */
export interface Usage {
  readonly userMicroseconds: number;
  readonly systemMicroseconds: number;
  readonly peakKilobytes: number;
}

const file = process.env.BENCH_USAGE_FILE;
if (file !== undefined) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    const usage: Usage = {
      userMicroseconds: userCPUTime,
      systemMicroseconds: systemCPUTime,
      peakKilobytes: highWaterMark() ?? maxRSS,
    };
    writeFileSync(file, JSON.stringify(usage));
  });
}

/**
 * Linux's own figure for this program: in maxRSS a process inherits the peak of the one that started it.
 * https://man7.org/linux/man-pages/man2/getrusage.2.html, proc_pid_status(5) (VmHWM)
 */
function highWaterMark(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return kilobytes === undefined ? undefined : Number(kilobytes);
}
