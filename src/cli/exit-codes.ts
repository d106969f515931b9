/** Exit codes of the client. Source: cli §1. */

export const EXIT_OK = 0;
/** No command, an unknown one, or help about an unknown one. */
export const EXIT_NO_COMMAND = 1;
/** `fmt` and `vet` found faults in a script. Ours; the original has neither command. */
export const EXIT_FAULTS = 1;
/** Missing arguments or a bad flag. */
export const EXIT_USAGE = 2;
/** The command ran and failed. */
export const EXIT_FAILED = 3;
/** The server's URL is not one. */
export const EXIT_BAD_URL = 4;
