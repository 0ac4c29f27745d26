/** TLS of destinations: reads the certificates and keys that the configuration names, and checks that they fit. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { DestinationTls } from '../sync/entity.ts';
import type { Draft } from './draft.ts';
import { readPem } from './pem.ts';
import { formatPath, type Path } from './problem.ts';
import type { RawTls } from './schema.ts';
import { othersCanRead } from './text-file.ts';

/** The TLS settings of a configuration's destinations, each by what stands in the configuration. */
export interface ReadTls {
  readonly settings: ReadonlyMap<RawTls, DestinationTls>;
  readonly warnings: readonly string[];
  /** Files that were read, absolute. */
  readonly files: readonly string[];
}

/** Reads `tls` at each of these paths where it is there, and reports what is wrong. Files are relative to `directory`. */
export async function readTls(draft: Draft, paths: readonly Path[], directory: string): Promise<ReadTls> {
  const settings = new Map<RawTls, DestinationTls>();
  const warnings: string[] = [];
  const files: string[] = [];
  for (const path of paths) {
    const raw = draft.get<RawTls>(path);
    if (raw === undefined) continue;
    const pem = async (key: 'ca' | 'cert' | 'key') => {
      const value = raw[key];
      if (value === undefined) return undefined;
      const read = await readPem(value, directory, key === 'key' ? 'private key' : 'certificate');
      if (read.problem !== undefined) {
        draft.report([...path, key], read.problem);
        return undefined;
      }
      if (read.path !== undefined) files.push(read.path);
      if (key === 'key' && read.path !== undefined && (await othersCanRead(read.path))) {
        warnings.push(
          `others can read the file of ${formatPath([...path, key])}; let only its owner read it (chmod 600)`,
        );
      }
      return read.pem;
    };
    const [ca, cert, key] = [await pem('ca'), await pem('cert'), await pem('key')];
    if (ca !== undefined) certificateOf(draft, [...path, 'ca'], ca);
    const certificate = cert === undefined ? undefined : certificateOf(draft, [...path, 'cert'], cert);
    const privateKey = key === undefined ? undefined : privateKeyOf(draft, [...path, 'key'], key, raw.passphrase);
    if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey)) {
      draft.report([...path, 'key'], 'is not the key of the certificate in cert');
    }
    settings.set(raw, {
      ...raw,
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    });
  }
  return { settings, warnings, files };
}

/** The first certificate of a PEM text. */
function certificateOf(draft: Draft, path: Path, pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    draft.report(path, 'holds a certificate that is damaged');
    return undefined;
  }
}

function privateKeyOf(draft: Draft, path: Path, pem: string, passphrase: string | undefined): KeyObject | undefined {
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) });
  } catch {
    const isEncrypted = /-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem);
    draft.report(
      path,
      isEncrypted
        ? `holds an encrypted key, which ${passphrase === undefined ? 'needs a passphrase beside it' : 'the passphrase does not open'}`
        : 'holds a private key that is damaged',
    );
    return undefined;
  }
}
