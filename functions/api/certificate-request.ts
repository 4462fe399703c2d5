// Reads a certificate request (PKCS#10): whole, signed by its own key, and of a key we sign for.
import 'reflect-metadata';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { z } from 'zod';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';

const RSA_BITS_MIN = 2_048;
const RSA_BITS_MAX = 8_192;
const PEM =
  /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (NEW )?CERTIFICATE REQUEST-----\s*$/;

const EcKey = z.object({ name: z.literal('ECDSA'), namedCurve: z.enum(['P-256', 'P-384']) });
const RsaKey = z.object({
  name: z.enum(['RSASSA-PKCS1-v1_5', 'RSA-PSS']),
  modulusLength: z.int().min(RSA_BITS_MIN).max(RSA_BITS_MAX),
});

/** The request as PEM, made anew from what was read: nothing else of the text travels on. */
export async function readCertificateRequest(pem: string): Promise<Result<string, ApiFailure>> {
  if (/PRIVATE KEY/.test(pem)) {
    return refused('It holds a private key. Consider that key known: make a new one, and send the request only.');
  }
  if (!PEM.test(pem)) return refused('It is not one PEM block CERTIFICATE REQUEST.');
  const request = decode(pem);
  if (request === null) return refused('It can’t be read as PKCS#10.');
  const key = await publicKey(request);
  if (!z.union([EcKey, RsaKey]).safeParse(key?.algorithm).success) {
    return refused('Its key is neither P-256, P-384 nor RSA of 2048 to 8192 bits.');
  }
  if (!(await isSigned(request))) return refused('It is not signed by the key it names.');
  return ok(request.toString('pem'));
}

const refused = (why: string): Result<string, ApiFailure> => err(apiFailure('CSR_INVALID', why));

function decode(pem: string): Pkcs10CertificateRequest | null {
  try {
    return new Pkcs10CertificateRequest(pem);
  } catch {
    // The library throws errors of many kinds for bytes that are not PKCS#10; all of them mean this.
    return null;
  }
}

async function publicKey(request: Pkcs10CertificateRequest): Promise<CryptoKey | null> {
  try {
    return await request.publicKey.export(crypto);
  } catch {
    // An algorithm the runtime does not have.
    return null;
  }
}

async function isSigned(request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify(crypto);
  } catch {
    // A signature of another form than its key's.
    return false;
  }
}
