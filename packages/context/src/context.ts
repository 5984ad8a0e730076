import type { BytePath } from "@varve/bytes";
import type { ContentReader, FileTree } from "@varve/layer";
import type { IOOptions } from "@varve/oci";

/** A build context. `tree` is read at most once, when first asked for. */
export interface BuildContext extends AsyncDisposable {
  /** For people: a path, a URL, `-`. */
  readonly title: string;
  /** All files but the ignored ones; owners 0:0; modes and whole-second mtimes as found. */
  tree(options?: IOOptions): Promise<FileTree>;
  readonly reader: ContentReader;
  /** A file by path, ignore rules not applied (Dockerfile, ignore files); `undefined` when it isn't there. At most 4 MiB. */
  readFile(path: BytePath, options?: IOOptions): Promise<Uint8Array | undefined>;
}
