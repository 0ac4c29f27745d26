/** Who is told of runs, and how: shapes only. report/ builds what is said, http/ and smtp/ send it. */
import type { DestinationConfig, DestinationTls } from './entity.ts';

/** What every notification has. */
interface Shared {
  /** `failure`: only of runs that end with another exit code than 0. */
  readonly on: 'failure' | 'always';
  /** For all of it, from connecting to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly tls?: DestinationTls;
}

/** What is sent by HTTP. `url` is absolute and a secret: whoever knows it can write there. */
interface SharedHttp extends Shared {
  readonly url: string;
  readonly allowInsecure: boolean;
  readonly proxy?: DestinationConfig['proxy'];
}

/**
 * A message to a chat.
 *
 *   slack        `{"text": …}`: Slack, Mattermost, Rocket.Chat
 *   teams        an Adaptive Card, as the Workflows of Microsoft Teams take it
 *   messageCard  a MessageCard, as the connectors of Microsoft Teams took it
 */
export interface WebhookNotification extends SharedHttp {
  readonly type: 'webhook';
  readonly format: 'slack' | 'teams' | 'messageCard';
}

/** Pings as https://healthchecks.io/docs/http_api/ describes them: `url` is the check's, without `/start` and the like. */
export interface PingNotification extends SharedHttp {
  readonly type: 'ping';
}

/** An e-mail. */
export interface EmailNotification extends Shared {
  readonly type: 'email';
  readonly host: string;
  readonly port: number;
  /** `starttls`: TLS or nothing is sent; `tls`: TLS before the first byte. */
  readonly encryption: 'starttls' | 'tls' | 'none';
  /** Absent where the server asks for no login. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Addresses, each with or without a name: `HR sync <sync@example.com>`. */
  readonly from: string;
  readonly to: readonly string[];
}

/** One entry of `notifications`. */
export type Notification = WebhookNotification | PingNotification | EmailNotification;
