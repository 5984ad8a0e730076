import type { BytePath } from "@varve/bytes";
import type { DiskList, DiskStat } from "@varve/layer";
import type { FileState, FileStates } from "./file-states.ts";
import type { PathColumn } from "./path-column.ts";

/** States of listed files, which contents in trees refer to by row. */
export class ListedStates implements DiskList {
  readonly #paths: PathColumn;
  readonly #states: FileStates;
  /** Host path of the directory, in bytes, without a slash at its end. */
  readonly root: string;

  constructor(paths: PathColumn, states: FileStates, root: string) {
    this.#paths = paths;
    this.#states = states;
    this.root = root;
  }

  path(at: number): BytePath {
    return `${this.root}/${this.#paths.read(at)}` as BytePath;
  }

  size(at: number): number {
    return this.#states.size(at);
  }

  state(at: number): FileState {
    return this.#states.state(at);
  }

  stat(at: number): DiskStat {
    const { device, inode, mtimeNs, ctimeNs } = this.state(at);
    return { device: String(device), inode: String(inode), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs) };
  }
}
