/** A place in a text. `line` and `column` count from 1 (column in UTF-16 units), `offset` counts from 0. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** A stretch of a text; `end` is exclusive. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** A text with the name people know it by, and the stretch of it that is meant. */
export interface SourceExcerpt {
  /** As shown before `:line:column`, e.g. `Dockerfile`. */
  readonly file: string;
  readonly text: string;
  readonly range: SourceRange;
}
