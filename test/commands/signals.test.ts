import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { watchSignals } from '../../src/commands/signals.ts';

function watched() {
  const signals = new EventEmitter();
  const told: string[] = [];
  return { signals, told, ...watchSignals(signals, (signal) => told.push(signal)) };
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGBREAK']) {
  test(`the first ${signal} stops, and a second one of any kind aborts`, () => {
    const { signals, told, stop, abort } = watched();
    signals.emit(signal, signal);
    assert.deepEqual([stop.reason, abort.aborted, told], [signal, false, [signal]]);
    signals.emit('SIGINT', 'SIGINT');
    assert.deepEqual([stop.reason, abort.reason, told], [signal, 'SIGINT', [signal]]);
  });
}

test('SIGHUP stops and aborts at once, since a closing console leaves no time', () => {
  const { signals, stop, abort } = watched();
  signals.emit('SIGHUP', 'SIGHUP');
  assert.deepEqual([stop.reason, abort.reason], ['SIGHUP', 'SIGHUP']);
});

test('after an abort a further signal is left to the system, which ends the process', () => {
  const { signals } = watched();
  signals.emit('SIGINT', 'SIGINT');
  assert.equal(signals.listenerCount('SIGINT'), 1);
  signals.emit('SIGINT', 'SIGINT');
  assert.deepEqual(signals.eventNames(), []);
});

test('after dispose nothing listens any more', () => {
  const { signals, dispose } = watched();
  dispose();
  assert.deepEqual(signals.eventNames(), []);
});
