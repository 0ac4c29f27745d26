/** A user as the shipped configuration's map sends it, written by hand as an object. */

/** The columns that the map reads, in the order of {@link UserCells}. */
export const USER_COLUMNS = 'Id, Name, Username, NoReg, Email, IsActive';

/** A row's values in the order of {@link USER_COLUMNS}. */
export type UserCells = readonly [
  id: string,
  name: string,
  username: string,
  noReg: string,
  email: string | null,
  isActive: number,
];

/** The time of sending in the configured zone: `2026-11-23T03:00:00`. */
export function sendingTime(now: Date, timeZone = 'Asia/Jakarta'): string {
  return now.toLocaleString('sv-SE', { timeZone }).replace(' ', 'T');
}

/** The object that is sent for a row, its fields in the map's order. */
export function userPayload([id, name, username, noReg, email, isActive]: UserCells, sentAt: string): object {
  return {
    ImportType: 1,
    ImportStatus_ID: 1,
    BatchTag: 'Tag',
    ErrorCode: 200,
    Code: id,
    ID: '',
    created_at_system: sentAt,
    Name: name,
    NewCode: username,
    UniqueCode: noReg,
    NoReg: noReg,
    Username: username,
    Email: email ?? '',
    CreatedOn: sentAt.slice(0, 10),
    CreatedBy: 'System',
    LastLogin: '',
    IsActive: isActive === 1 ? '1' : '0',
  };
}
