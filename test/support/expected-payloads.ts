/** What the receiver must get for the sample rows, written from the contract alone and not with the product's mapper. */

import type { SampleRow } from '../../dev/sqlserver/sample-rows.ts';
import type { SampleEntity } from '../../dev/sqlserver/sample-schema.ts';

type Payload = Record<string, unknown>;
type Cell = SampleRow[string];

const day = (value: Cell | undefined) => (value === null ? null : String(value).slice(0, 10));
const second = (value: Cell | undefined) => (value === null ? null : String(value).slice(0, 19).replace('T', ' '));

const FIELDS: Readonly<Record<SampleEntity, (row: SampleRow, today: string) => Payload>> = {
  Users: (row, today) => ({
    Name: row.Name,
    NewCode: row.Username,
    UniqueCode: row.NoReg,
    NoReg: row.NoReg,
    Username: row.Username,
    Email: row.Email ?? '',
    CreatedOn: today,
    CreatedBy: 'System',
    LastLogin: '',
    IsActive: row.IsActive === 1 ? '1' : '0',
  }),
  ActualOrg: (row) => ({
    Name: row.OrgName,
    OrgCode: row.OrgCode,
    ParentOrgCode: row.ParentOrgCode,
    Service: row.Service,
    NoReg: row.NoReg,
    PostCode: row.PostCode,
    PostName: row.PostName,
    JobCode: row.JobCode,
    JobName: row.JobName,
    EmployeeGroup: row.EmployeeGroup,
  }),
  ActualEntity: (row) => ({
    Name: row.ObjectText,
    OrgCode: row.OrgCode,
    ObjectCode: row.ObjectCode,
    ObjectText: row.ObjectText,
    ObjectDescription: row.ObjectDescription,
  }),
  OrgObject: (row) => ({
    ObjectType: row.ObjectType,
    ObjectID: row.ObjectID,
    Abbreviation: row.Abbreviation,
    ObjectText: row.ObjectText,
    StartDate: day(row.StartDate),
    EndDate: day(row.EndDate),
    ObjectDescription: row.ObjectDescription,
  }),
  EventsCalendar: (row) => ({
    Name: row.Title,
    EventTypeCode: row.EventTypeCode,
    StartDate: day(row.StartDate),
    EndDate: day(row.EndDate),
    Description: row.Description,
    CreatedBy: row.CreatedBy,
    CreatedOn: second(row.CreatedOn),
    ModifiedOn: second(row.ModifiedOn),
    ModifiedBy: row.ModifiedBy,
    RowStatus: row.RowStatus ? '1' : '0',
  }),
};

/** The payload of a sample row sent at `sentAt` (`yyyy-MM-ddTHH:mm:ss`). */
export function expectedPayload(entity: SampleEntity, row: SampleRow, sentAt: string): Payload {
  return {
    ImportType: 1,
    ImportStatus_ID: 1,
    BatchTag: 'Tag',
    ErrorCode: 200,
    Code: row.Id,
    ID: '',
    created_at_system: sentAt,
    ...FIELDS[entity](row, sentAt.slice(0, 10)),
  };
}
