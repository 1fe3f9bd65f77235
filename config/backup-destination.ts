const S3 = "s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[^\\s?#@]*)?";
/** No part of the folder is `.` or `..`: what is not in the volume is not meant. */
const CLAIM = "pvc://[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?(?:/(?!\\.{1,2}(?:/|$))[^\\s?#@/]+)*/?";
const FOLDER = "(?![a-z][a-z0-9+.-]*:)[^\\s].*";

/** What is allowed as a destination: a folder, a bucket or a claim; no other URL, and no name and password in it. */
export const DESTINATION = new RegExp(`^(?:${S3}|${CLAIM}|${FOLDER})$`, "i");
