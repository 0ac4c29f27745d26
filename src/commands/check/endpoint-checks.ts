/** The checks of `check` that ask receivers: the way to each, and where the configuration names one, a harmless request. */
import type { Check } from '../../sync/check.ts';
import type { AnswerFacts } from '../../sync/check-facts.ts';
import type { DestinationConfig, Entity } from '../../sync/entity.ts';
import { VERSION } from '../../version.js';

/** What the requests need. */
export interface EndpointCheckOptions {
  readonly timeoutMs: number;
  readonly redact: (text: string) => string;
}

/** A way to a receiver, and the entities (`Users`, `Users (deleted)`) whose rows take it. */
interface Way {
  readonly config: DestinationConfig;
  readonly users: string[];
}

/** Each way once, whichever paths lie at its end, and each harmless request once. */
export async function endpointChecks(
  entities: readonly Entity[],
  { timeoutMs, redact }: EndpointCheckOptions,
): Promise<Check[]> {
  const { probeEndpoint, sendHarmlessRequest } = await import('../../http/probe.ts');
  const findings = await import('../../report/check-findings.ts');
  const all = entities.flatMap(({ name, destination, deleted }) => [
    { name, destination, config: destination },
    ...(deleted === undefined
      ? []
      : [{ name: `${name} (deleted)`, destination, config: { ...destination, url: deleted.url } }]),
  ]);
  const ways = grouped(all, wayOf);
  const requests = grouped(
    all.filter(({ destination, config }) => config === destination),
    ({ check, auth, headers, ...config }) => JSON.stringify([wayOf(config), check, check && [auth, headers]]),
  );
  const endpointIds = new Map([...ways.keys()].map((way, index) => [way, `endpoint ${index}`]));
  const idOf = (config: DestinationConfig) => endpointIds.get(wayOf(config)) ?? '';

  const endpoints = [...ways.values()].map(
    ({ config, users }): Check => ({
      id: idOf(config),
      kind: 'endpoint',
      subject: new URL(config.url).host,
      async run(signal) {
        const facts = await probeEndpoint(config, { timeoutMs, signal, redact });
        const finding = findings.endpointFinding(facts, new Date());
        return { ...finding, found: `${finding.found}; for ${users.join(', ')}` };
      },
    }),
  );
  const seen = new Set<string>();
  const logins = [...requests.values()].flatMap(({ config, users }, index): Check[] => {
    const { check } = config;
    const subject = new URL(config.url).host;
    const id = `authentication ${index}`;
    const needs = [idOf(config)];
    if (check === undefined) {
      const found = `${findings.NO_HARMLESS_REQUEST.found}; for ${users.join(', ')}`;
      return [{ id, kind: 'authentication', subject, needs, run: () => ({ ...findings.NO_HARMLESS_REQUEST, found }) }];
    }
    let answer: AnswerFacts | undefined;
    const login: Check = {
      id,
      kind: 'authentication',
      subject,
      needs,
      async run(signal) {
        answer = await sendHarmlessRequest(config, check, VERSION, { timeoutMs, signal, redact });
        const finding = findings.authenticationFinding(check, answer);
        return { ...finding, found: `${finding.found}; for ${users.join(', ')}` };
      },
    };
    if (seen.has(idOf(config))) return [login];
    seen.add(idOf(config));
    const clock: Check = {
      id: `receiverClock ${index}`,
      kind: 'receiverClock',
      subject,
      needs,
      // An answer that says no has a date, too.
      after: [id],
      run: () =>
        answer === undefined
          ? { state: 'skipped', found: 'not checked, since no answer came' }
          : findings.receiverClockFinding(answer),
    };
    return [login, clock];
  });
  return [...endpoints, ...logins];
}

/** What decides how the receiver is reached. */
function wayOf({ url, tls, proxy }: Pick<DestinationConfig, 'url' | 'tls' | 'proxy'>): string {
  return JSON.stringify([new URL(url).origin, tls ?? null, proxy ?? null]);
}

function grouped(
  all: readonly { readonly name: string; readonly config: DestinationConfig }[],
  key: (config: DestinationConfig) => string,
): ReadonlyMap<string, Way> {
  const ways = new Map<string, Way>();
  for (const { name, config } of all) {
    const way = ways.get(key(config)) ?? { config, users: [] };
    way.users.push(name);
    ways.set(key(config), way);
  }
  return ways;
}
