/**
 * Of files and directories nobody gave a time, in seconds since the epoch: 2000-01-01, so that equal Dockerfiles give equal layers whenever they are built. Not
 * SOURCE_DATE_EPOCH, since the layer may be found by a build with another.
 */
export const MADE_TIME = 946_684_800;
