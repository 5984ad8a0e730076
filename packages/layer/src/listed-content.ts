import type { BytePath } from "@varve/bytes";
import type { DiskStat } from "./content-ref.ts";

/** Files on disk that somebody keeps a list of, by number. */
export interface DiskList {
  /** Host path, bytes. */
  path(at: number): BytePath;
  /** Bytes. */
  size(at: number): number;
  stat(at: number): DiskStat;
}

/** A `disk` reference into a list: path and state are made when asked for, and trees keep the number only. */
export class ListedContent {
  readonly kind = "disk";
  readonly list: DiskList;
  readonly at: number;

  constructor(list: DiskList, at: number) {
    this.list = list;
    this.at = at;
  }

  get path(): BytePath {
    return this.list.path(this.at);
  }

  get size(): number {
    return this.list.size(this.at);
  }

  get stat(): DiskStat {
    return this.list.stat(this.at);
  }

  /** As the plain reference it stands for. */
  toJSON(): { readonly kind: "disk"; readonly path: BytePath; readonly size: number; readonly stat: DiskStat } {
    return { kind: this.kind, path: this.path, size: this.size, stat: this.stat };
  }
}
