import { isVarveError } from "@varve/errors";

/** The distribution spec's error codes, with the status each is sent with. */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 416,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  DENIED: 403,
  UNSUPPORTED: 405,
  PAGINATION_NUMBER_INVALID: 400,
  UNKNOWN: 500,
} as const;

/** A code of the distribution spec. */
export type ApiErrorCode = keyof typeof STATUS;

/** An answer other than success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ApiErrorCode, message: string, options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {}) {
    super(message);
    this.code = code;
    this.status = options.status ?? STATUS[code];
    this.headers = options.headers ?? {};
  }
}

/** What a client is told of any failure; the inner workings stay here. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (isVarveError(error, "STORE_DIGEST_MISMATCH")) return new ApiError("DIGEST_INVALID", "the content does not have the digest it was announced with");
  if (isVarveError(error, "OCI_INVALID_MANIFEST", "OCI_INVALID_DIGEST", "OCI_TOO_LARGE")) return new ApiError("MANIFEST_INVALID", error.message);
  if (isVarveError(error, "STORE_BLOB_NOT_FOUND")) return new ApiError("BLOB_UNKNOWN", "the blob is not in the store");
  if (isVarveError(error, "STORE_DISK_FULL")) return new ApiError("UNKNOWN", "the registry's disk is full", { status: 507 });
  return new ApiError("UNKNOWN", "the registry failed");
}
