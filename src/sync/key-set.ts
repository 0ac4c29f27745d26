/**
 * The keys of a whole ledger in little memory: each is 16 bytes of one typed array. A lookup in it costs a fraction of a
 * microsecond, where asking the server for a page of keys costs it a seek for each.
 */
import { hash16 } from './hash.ts';

/** Keys of one entity, as texts of the ledger or of rows. */
export interface KeySet {
  add(key: string): void;
  has(key: string): boolean;
}

/** Words of 32 bits in a key's value. */
const WORDS = 4;

/** Part of the places that may be taken. */
const MAX_LOAD = 0.8;

/**
 * An empty set with space for `expected` keys; it grows beyond. A GUID is its own value, any other key the first 16 bytes of
 * SHA-256 of its text: that two keys share one is as likely as that two GUIDs do. Where a `textKey` tells keys apart by the
 * case of letters and by spaces at the end, others do not, as the server does not.
 */
export function createKeySet(expected: number, { textKey }: { readonly textKey: boolean }): KeySet {
  let places = placesFor(expected);
  let table = new Uint32Array(places * WORDS);
  let taken = 0;
  /** The value of no bits stands for a free place. */
  let hasZero = false;
  const value = new Uint32Array(WORDS);

  function read(key: string): void {
    if (!textKey && readGuid(key, value)) return;
    const hash = hash16(textKey ? wellFormed(key) : key.trimEnd().toLowerCase());
    for (let word = 0; word < WORDS; word++) {
      value[word] =
        ((hash[word * 4] as number) << 24) |
        ((hash[word * 4 + 1] as number) << 16) |
        ((hash[word * 4 + 2] as number) << 8) |
        (hash[word * 4 + 3] as number);
    }
  }

  /** Where the value in `value` stands, or would: the word that it begins with. */
  function find(): number {
    const a = value[0] as number;
    const b = value[1] as number;
    const c = value[2] as number;
    const d = value[3] as number;
    // GUIDs that count up differ in a few bits only.
    const mixed = Math.imul(
      a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c ^ (d << 16) ^ (d >>> 16), 0x85ebca6b),
      0xc2b2ae35,
    );
    let place = Math.floor(((mixed ^ (mixed >>> 15)) >>> 0) * (places / 2 ** 32));
    for (;;) {
      const at = place * WORDS;
      const isFree = table[at] === 0 && table[at + 1] === 0 && table[at + 2] === 0 && table[at + 3] === 0;
      if (isFree || (table[at] === a && table[at + 1] === b && table[at + 2] === c && table[at + 3] === d)) return at;
      place = place + 1 === places ? 0 : place + 1;
    }
  }

  function put(): void {
    const at = find();
    if (isZero(table, at)) taken += 1;
    table.set(value, at);
  }

  function grow(): void {
    const old = table;
    places = placesFor(taken * 2);
    table = new Uint32Array(places * WORDS);
    taken = 0;
    for (let at = 0; at < old.length; at += WORDS) {
      if (isZero(old, at)) continue;
      value.set(old.subarray(at, at + WORDS));
      put();
    }
  }

  return {
    add(key) {
      if (taken + 1 > places * MAX_LOAD) grow();
      read(key);
      if (isZero(value, 0)) hasZero = true;
      else put();
    },
    has(key) {
      read(key);
      return isZero(value, 0) ? hasZero : !isZero(table, find());
    },
  };
}

/** A lone surrogate has no UTF-8, and would be hashed as any other. */
function wellFormed(key: string): string {
  return key.isWellFormed() ? key : JSON.stringify(key);
}

function placesFor(keys: number): number {
  return Math.ceil(keys / MAX_LOAD) + 8;
}

function isZero(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

const HYPHEN = '-'.charCodeAt(0);

/** The value of each hexadecimal digit by its character code; 255 of what is none. */
const DIGITS = Uint8Array.from({ length: 128 }, (_, code) => {
  const digit = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(digit) ? 255 : digit;
});

/** Writes the bits of a GUID into `value`; false where the text is none. */
function readGuid(text: string, value: Uint32Array): boolean {
  if (text.length < 36 || (text.length > 36 && text.trimEnd().length !== 36)) return false;
  let word = 0;
  let digits = 0;
  for (let index = 0; index < 36; index++) {
    const code = text.charCodeAt(index);
    if (index === 8 || index === 13 || index === 18 || index === 23) {
      if (code !== HYPHEN) return false;
      continue;
    }
    const digit = code < 128 ? (DIGITS[code] as number) : 255;
    if (digit === 255) return false;
    word = (word << 4) | digit;
    digits += 1;
    if (digits % 8 === 0) value[digits / 8 - 1] = word;
  }
  return true;
}
