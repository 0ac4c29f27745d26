/** Which proxy leads to a destination: the configuration says it, else the environment. */
import type { DestinationConfig } from '../sync/entity.ts';

/** An environment variable's value. */
export type Variable = (name: string) => string | undefined;

/** Whether a URL leads to this machine: 127.0.0.0/8, ::1 or localhost. */
export function isLoopback({ hostname }: Pick<URL, 'hostname'>): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/**
 * A proxy's URL, with or without `http://`; undefined where it is none. https:// is TLS with the proxy itself; a user and
 * password are percent-encoded.
 */
export function parseProxy(text: string): URL | undefined {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.pathname + url.search + url.hash !== '/') return undefined;
  try {
    decodeURIComponent(url.username + url.password);
    return url;
  } catch {
    return undefined;
  }
}

/**
 * What the environment says of a destination's URL: HTTPS_PROXY or HTTP_PROXY by the URL's scheme, the lower-case name first.
 * It never says anything of this machine: no proxy leads back to it. Of several programs' ways this is curl's (but for upper-case
 * HTTP_PROXY, which it does not read), with Go's
 * exception for loopback: https://curl.se/docs/manpage.html#ENVIRONMENT, https://pkg.go.dev/net/http#ProxyFromEnvironment
 */
export function proxyFromEnvironment(url: URL, variable: Variable): { name: string; value: string } | undefined {
  if (isLoopback(url)) return undefined;
  const name = `${url.protocol.slice(0, -1)}_proxy`;
  const value = variable(name) || variable(name.toUpperCase());
  return value ? { name: name.toUpperCase(), value } : undefined;
}

/**
 * The proxy of a destination, all of it checked before. `configured` is empty where the configuration wants none, and
 * `noProxy` stands in for NO_PROXY.
 */
export function proxyOf(
  url: URL,
  { proxy, noProxy }: { readonly proxy: string | undefined; readonly noProxy: string | undefined },
  variable: Variable,
): DestinationConfig['proxy'] {
  const text = proxy ?? proxyFromEnvironment(url, variable)?.value ?? '';
  const parsed = text === '' ? undefined : parseProxy(text);
  if (parsed === undefined) return undefined;
  return { url: parsed.href, noProxy: noProxy ?? (variable('no_proxy') || variable('NO_PROXY') || '') };
}
