/** Codes thrown by `snapshot`, each with the sentence that docs/errors.md shows. */
export const SNAPSHOT_CODES = {
  SNAPSHOT_FOLDER_UNUSABLE: "The folder that root filesystems of steps lie in cannot be written to, or has no space left.",
  SNAPSHOT_APPLY_FAILED: "A layer could not be unpacked into a root filesystem.",
  SNAPSHOT_READ_FAILED: "What a step changed could not be read back.",
  SNAPSHOT_MOUNT_TARGET: "A RUN mount's target cannot be made in the root filesystem.",
} as const;
