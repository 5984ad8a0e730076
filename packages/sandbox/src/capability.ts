/** Linux capabilities Docker grants to a container (moby `daemon/pkg/oci/caps/defaults.go`), by number. */
export const DEFAULT_CAPABILITIES: readonly number[] = [
  0, // CHOWN
  1, // DAC_OVERRIDE
  3, // FOWNER
  4, // FSETID
  5, // KILL
  6, // SETGID
  7, // SETUID
  8, // SETPCAP
  10, // NET_BIND_SERVICE
  13, // NET_RAW
  18, // SYS_CHROOT
  27, // MKNOD
  29, // AUDIT_WRITE
  31, // SETFCAP
];

/** Numbers above the newest known capability (40, CHECKPOINT_RESTORE) leave room for kernels to come; dropping an unknown one is EINVAL. */
export const LAST_CAPABILITY = 63;
