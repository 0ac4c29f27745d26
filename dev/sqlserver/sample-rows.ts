/**
 * Invented rows for the five source tables: the same number gives the same row on every machine. Text is Indonesian,
 * Japanese and emoji, with quotes, line breaks and tabs; some columns are NULL; times stand at midnight and at 23:59:59.997.
 */
import { createHash } from 'node:crypto';
import type { SampleEntity } from './sample-schema.ts';

/** A row by column name. GUIDs are in lower case, times are wall-clock text (yyyy-MM-ddTHH:mm:ss.fff), decimals are text. */
export type SampleRow = Readonly<Record<string, string | number | boolean | null>>;

/** Row number `index` (from 0) of an entity's source. */
export function sampleRow(entity: SampleEntity, index: number): SampleRow {
  return MAKERS[entity](new Dice(entity, index), index);
}

/** The first `count` rows of an entity's source, made as they are asked for. */
export function* sampleRows(entity: SampleEntity, count: number): Generator<SampleRow> {
  for (let index = 0; index < count; index++) yield sampleRow(entity, index);
}

/** Choices that depend on nothing but the entity and the row's number: bytes of a hash, taken one after the other. */
class Dice {
  readonly id: string;
  readonly #bytes: Buffer;
  #next = 16;

  constructor(entity: string, index: number) {
    this.#bytes = createHash('sha512').update(`${entity} ${index}`).digest();
    const hex = this.#bytes.toString('hex', 0, 16);
    this.id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** A whole number from 0 up to, not including, `bound` (at most 256). */
  below(bound: number): number {
    const byte = this.#bytes[this.#next] as number;
    this.#next = this.#next === 63 ? 16 : this.#next + 1;
    return byte % bound;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** NULL in one of `n` cases. */
  orNull<T>(n: number, value: T): T | null {
    return this.below(n) === 0 ? null : value;
  }

  /** A time between 2000 and 2029: at midnight, in the last instant of the day, or in between. */
  time(): string {
    const year = 2000 + this.below(30);
    const date = `${year}-${two(1 + this.below(12))}-${two(1 + this.below(28))}`;
    const between = `${two(this.below(24))}:${two(this.below(60))}:${two(this.below(60))}.${this.pick(['000', '003', '007', '330', '997'])}`;
    return `${date}T${this.pick(['00:00:00.000', '23:59:59.997', between])}`;
  }
}

const GIVEN_NAMES = [
  'Budi',
  'Siti',
  'Agus',
  'Dewi',
  'Nur',
  'Putri',
  'Wayan',
  'Made',
  'Ketut',
  'Rizky',
  '太郎',
  '花子',
  "Ni'mah",
  'José',
];
const FAMILY_NAMES = [
  'Santoso',
  'Wijaya',
  'Nurhaliza',
  'Hidayat',
  'Pratama',
  'Siregar',
  'Simatupang',
  '山田',
  '高橋',
  'D’Souza',
  'Putra',
];
const UNITS = [
  'Produksi',
  'Sumber Daya Manusia',
  'Keuangan & Akuntansi',
  '品質保証部',
  '生産技術',
  'Logistik "Barat"',
  'Pengadaan 🚚',
];
const REMARKS = [
  'Baris pertama\r\nBaris kedua',
  'Kolom\tdengan\ttab',
  `Dia berkata "ya", bukan 'tidak'`,
  'Jalur C:\\data\\masuk',
  '備考：特になし',
  '✅ Selesai 🎉 👩‍👩‍👧‍👦',
  '<b>& tebal</b> %s {0} ${x}',
  'ﬁn ✓ é e\u0301 İstanbul',
  '',
];

const two = (value: number): string => String(value).padStart(2, '0');
const numbered = (prefix: string, value: number, digits: number): string =>
  prefix + String(value).padStart(digits, '0');

const MAKERS: Readonly<Record<SampleEntity, (dice: Dice, index: number) => SampleRow>> = {
  Users: (dice, index) => ({
    Id: dice.id,
    NoReg: numbered('', 100_000 + index, 7),
    Username: `user${index}`,
    Name: `${dice.pick(GIVEN_NAMES)} ${dice.pick(FAMILY_NAMES)}${dice.pick(['', '', '', ' 🚀', ' (Cuti)', ', S.T.'])}`,
    Gender: dice.pick(['Laki-laki', 'Perempuan']),
    Email: dice.orNull(5, `user${index}@contoh.co.id`),
    IsActive: dice.pick([1, 1, 1, 0]),
  }),
  ActualOrg: (dice, index) => ({
    Id: dice.id,
    OrgCode: numbered('5', index, 7),
    ParentOrgCode: dice.orNull(10, numbered('5', Math.floor(index / 8), 7)),
    OrgName: dice.orNull(12, dice.pick(UNITS)),
    Service: dice.orNull(4, dice.pick(['Inti', 'Pendukung', '間接'])),
    NoReg: dice.orNull(6, numbered('', 100_000 + index, 7)),
    Name: dice.orNull(6, `${dice.pick(GIVEN_NAMES)} ${dice.pick(FAMILY_NAMES)}`),
    PostCode: dice.orNull(7, numbered('P', index, 6)),
    PostName: dice.orNull(7, `Kepala ${dice.pick(UNITS)}`),
    JobCode: dice.orNull(7, numbered('J', index % 500, 4)),
    JobName: dice.orNull(7, dice.pick(['Operator', 'Teknisi', '係長', 'Manajer\tSenior'])),
    EmployeeGroup: dice.orNull(9, dice.pick(['1', '2', 'A'])),
    EmployeeGroupText: dice.orNull(9, dice.pick(['Tetap', 'Kontrak'])),
    EmployeeSubgroup: dice.orNull(9, dice.pick(['01', '02', '10'])),
    EmployeeSubgroupText: dice.orNull(9, dice.pick(['Staf', 'Non-staf'])),
    WorkContract: dice.orNull(9, dice.pick(['PK', 'PT'])),
    WorkContractText: dice.orNull(9, dice.pick(['Waktu tertentu', 'Waktu tidak tertentu'])),
    PersonalArea: dice.orNull(9, dice.pick(['JKT1', 'KRW2'])),
    PersonalSubarea: dice.orNull(9, dice.pick(['A1', 'B2'])),
    DepthLevel: dice.orNull(9, dice.below(9)),
    Staffing: dice.orNull(5, `${dice.pick(['', '-'])}${dice.below(250) + 1}.${two(dice.below(100))}`),
    Chief: dice.orNull(5, dice.below(2)),
    OrgLevel: dice.orNull(5, dice.below(12)),
    Vacant: dice.orNull(5, dice.below(2)),
    Structure: dice.orNull(5, `1/${index % 7}/${index % 31}/${index}`),
    ObjectDescription: dice.orNull(3, dice.pick(REMARKS)),
  }),
  ActualEntity: (dice, index) => ({
    Id: dice.id,
    OrgCode: numbered('5', index, 7),
    ObjectCode: numbered('O', index, 7),
    ObjectText: dice.pick(UNITS),
    ObjectDescription: dice.pick(REMARKS),
  }),
  OrgObject: (dice, index) => ({
    Id: dice.id,
    ObjectID: numbered('', 50_000_000 + index, 8),
    ObjectType: dice.pick(['O', 'S', 'C', 'P']),
    Abbreviation: dice.pick(['PROD', 'SDM', 'KEU', '品質', 'LOG-"B"']),
    ObjectText: dice.orNull(8, dice.pick(UNITS)),
    StartDate: dice.time(),
    EndDate: dice.pick(['9999-12-31T00:00:00.000', dice.time()]),
    ObjectDescription: dice.orNull(3, dice.pick(REMARKS)),
  }),
  EventsCalendar: (dice, index) => ({
    Id: dice.id,
    Title: `${dice.pick(['Hari Raya Idul Fitri', 'Tahun Baru 🎆', '創立記念日', "Jum'at Bersih"])} ${index}`,
    EventTypeCode: dice.pick(['holiday', 'cuti-bersama', 'event']),
    StartDate: dice.time(),
    EndDate: dice.time(),
    Description: dice.orNull(3, dice.pick(REMARKS)),
    CreatedBy: 'System',
    CreatedOn: dice.time(),
    ModifiedBy: dice.orNull(2, 'admin'),
    ModifiedOn: dice.orNull(2, dice.time()),
    RowStatus: dice.below(4) !== 0,
  }),
};
