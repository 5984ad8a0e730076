import type { TarHeader } from "@varve/archive";
import type { BytePath } from "@varve/bytes";

/** The fields of a tar header at their plainest: an empty file of root's without a name. Tests spread it and say what matters to them. */
export const PLAIN_TAR_HEADER: TarHeader = {
  name: "" as BytePath,
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  linkName: "" as BytePath,
  deviceMajor: 0,
  deviceMinor: 0,
  userName: "",
  groupName: "",
  xattrs: new Map(),
};
