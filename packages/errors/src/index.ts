export { ERROR_CODES, type ErrorCode } from "./codes.ts";
export { isVarveError, VarveError, type VarveErrorOptions } from "./varve-error.ts";
export type { Position, SourceExcerpt, SourceRange } from "./source-range.ts";
export { renderDiagnostic, type DiagnosticStyle } from "./diagnostic.ts";
export { createRedactor, type RedactedStream, type Redactor } from "./redact.ts";
export { columnsOf, type Grapheme, graphemesOf, visibleText } from "./display-text.ts";
