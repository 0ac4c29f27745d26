/** The --entity option, which several commands have. */
import { Option } from 'commander';
import type { Config } from '../config/config.ts';
import type { Entity } from '../sync/entity.ts';
import { SyncError } from '../sync/errors.ts';

/** `--entity <name...>`, repeatable; the command's options hold an array, or nothing. */
export function entityOption(description: string): Option {
  return new Option('--entity <name...>', description);
}

/**
 * The entities of those names in the configured order; all where `names` is absent. Throws SyncError USAGE for a name that
 * the configuration does not have or has disabled.
 */
export function selectEntities(config: Config, names: readonly string[] | undefined): readonly Entity[] {
  if (names === undefined) return config.entities;
  const known = config.entities.map((entity) => entity.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return config.entities.filter((entity) => names.includes(entity.name));
  const disabled = unknown.filter((name) => config.disabled.includes(name));
  throw new SyncError(
    'USAGE',
    disabled.length > 0
      ? `Entity ${disabled.join(', ')} is disabled in ${config.file}.`
      : `No entity is named ${unknown.join(', ')} in ${config.file}.`,
    `Entities are: ${known.join(', ')}.`,
  );
}
