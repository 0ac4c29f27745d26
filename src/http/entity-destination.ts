/** An entity's destination: upserts go to one endpoint, deletions to another. */
import type { DeletedConfig, DestinationConfig, Entity } from '../sync/entity.ts';
import type { Destination, Operation } from '../sync/ports.ts';
import { createDestination, type DestinationOptions } from './destination.ts';
import type { Endpoint } from './dispatcher.ts';

/**
 * A destination for the entity's batches, as createDestination makes them: those of deletions go where `deleted` says, and
 * everything that it does not say is as for upserts. Each of the two opens its connections with its own first attempt, at most
 * `destination.concurrency` of them.
 *
 * Where each deletion is a call of its own, a 2xx is success whatever its body says: `rejectedRows` tells how answers about
 * batches are read. (A 207 still says of its row whether it was taken.)
 *
 * A deletion without `deleted` is an attempt with `notSent` and an error.
 */
export function createEntityDestination(
  { destination, deleted }: Pick<Entity, 'destination' | 'deleted'>,
  options: DestinationOptions,
): Destination {
  const byOperation: Readonly<Record<Operation, Destination | undefined>> = {
    upsert: createDestination(destination, options),
    delete: deleted && createDestination(endpointOf(destination, deleted), options),
  };
  return {
    async attempt(batch, signal) {
      const endpoint = byOperation[batch.operation];
      if (endpoint !== undefined) return endpoint.attempt(batch, signal);
      const error = 'not sent: the configuration does not say where deletions go';
      return { startedAt: new Date(), durationMs: 0, error, notSent: true };
    },
    async close() {
      await Promise.all([byOperation.upsert?.close(), byOperation.delete?.close()]);
    },
  };
}

function endpointOf({ rejectedRows, ...shared }: DestinationConfig, { url, method, map }: DeletedConfig): Endpoint {
  return { ...shared, url, method, ...(map !== undefined && rejectedRows !== undefined && { rejectedRows }) };
}
