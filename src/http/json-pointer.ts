/** JSON Pointer: https://www.rfc-editor.org/rfc/rfc6901 */

/** What stands at the pointer (empty, or each of its names after a slash); undefined where nothing does. */
export function atPointer(json: unknown, pointer: string): unknown {
  let found = json;
  for (const escaped of pointer.split('/').slice(1)) {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    if (Array.isArray(found) && !/^(0|[1-9]\d*)$/.test(name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}
