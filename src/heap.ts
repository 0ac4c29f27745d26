/**
 * Keeps V8's heap small in a command that rows stream through. By itself V8 lets 130 MB of short-lived objects pile up, and the
 * rest of the heap grow to four times what is alive, before it collects: docs/decisions/0013-heap.md.
 */
import v8 from 'node:v8';

/** The rest of the heap may grow by this part of what was alive before it is collected. */
const GROWTH_PERCENT = 60;

/** Where the space of the youngest objects stops growing: about what one page and one batch make. */
const YOUNG_BYTES = 8 * 1024 * 1024;

const POLL_MS = 2;

/** A run that makes so few objects in this time needs no more space for them. */
const POLL_FOR_MS = 10_000;

/** For the start of a command: the modules that it loads outlive everything, and would make the space of the youngest grow. */
export function keepHeapSmall(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  // So few bytes are not worth the threads that share the work.
  v8.setFlagsFromString('--no-parallel-scavenge');
}

let isGrown = false;

/** For when they are loaded: gives the youngest objects their space, once. Holds up nobody's exit. */
export function growYoungSpace(): void {
  if (isGrown) return;
  isGrown = true;
  v8.setFlagsFromString('--semi-space-growth-factor=4');
  const until = performance.now() + POLL_FOR_MS;
  const timer = setInterval(() => {
    if (youngBytes() < YOUNG_BYTES && performance.now() < until) return;
    v8.setFlagsFromString('--semi-space-growth-factor=1');
    clearInterval(timer);
  }, POLL_MS).unref();
}

function youngBytes(): number {
  const young = v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space');
  return young?.space_size ?? Number.POSITIVE_INFINITY;
}
