/** What an HTTP answer says of a failure, taken out of its body as one text. */

/** Members that explain a failure, in lower case, in the order in which they are told. */
const EXPLAINING = [
  // RFC 9457: https://www.rfc-editor.org/rfc/rfc9457#name-members-of-a-problem-detail
  'title',
  'detail',
  'message',
  // OAuth: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
  'error',
  'error_description',
  // ASP.NET: https://learn.microsoft.com/dotnet/api/microsoft.aspnetcore.mvc.validationproblemdetails,
  // https://learn.microsoft.com/dotnet/api/system.web.http.httperror
  'errors',
  'messagedetail',
  'exceptionmessage',
  'modelstate',
];

/** Deeper members are left out. */
const MAX_DEPTH = 8;

/**
 * The explanation in an answer's body: of JSON its problem, message or error members, else all values with their names;
 * of HTML its title; of other text and XML the text. Empty where there is none. Neither masked nor cut.
 *
 * `contentType` is the header's value, empty where there is none.
 */
export function answerText(contentType: string, body: string): string {
  const text = body.trim();
  const json = parseJson(text);
  if (json !== undefined) return explanationOf(json);
  if (/html/i.test(contentType) || /^<(!doctype html|html)\b/i.test(text)) return htmlTitle(text);
  if (/xml/i.test(contentType) || text.startsWith('<?xml')) return plain(text.replace(/<[^<>]*>/g, ' '));
  return contentType === '' || /text|json/i.test(contentType) ? plain(text) : '';
}

/** As answerText, for JSON that is parsed already; undefined has no explanation. */
export function explanationOf(json: unknown): string {
  return [...new Set(explanation(json))].join('; ');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function explanation(json: unknown): string[] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return named('', json);
  const members = new Map(Object.entries(json).map(([name, value]) => [name.toLowerCase(), value]));
  const told = EXPLAINING.flatMap((name) => named('', members.get(name)));
  return told.length > 0 ? told : named('', json);
}

/** Every value in a piece of JSON as `name: value`, with the name of the closest member that holds it. */
function named(name: string, json: unknown, depth = 0): string[] {
  if (json === null || json === undefined || json === '' || depth > MAX_DEPTH) return [];
  if (Array.isArray(json)) return json.flatMap((item) => named(name, item, depth + 1));
  if (typeof json === 'object') return Object.entries(json).flatMap(([name, value]) => named(name, value, depth + 1));
  return [name === '' ? plain(String(json)) : `${name}: ${plain(String(json))}`];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", nbsp: ' ' };

function htmlTitle(html: string): string {
  const title = /<title\b[^<>]*>([^<]*)<\/title/i.exec(html)?.[1] ?? '';
  return plain(title.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (_, name: string) => ENTITIES[name] ?? ''));
}

function plain(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}
