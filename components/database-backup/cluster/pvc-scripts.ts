/**
 * Shell scripts for the helper pod of a PersistentVolumeClaim; plain sh (dash and busybox have been used). They start
 * in the root of the volume. All names come as arguments and never become part of a script; the first one is the folder
 * of the stack.
 *
 * Each ends with an exit code other than 0 when anything fails, and says why on stderr.
 */

const PRELUDE = `
set -u
umask 077
folder=./$1
shift
`;

/** Nothing in a dump's name is a path. */
const ENTER = `cd "$folder" || exit 70\n`;

/** Makes the folder, and shows that it can be written to before a dump is begun. */
export const PREPARE = `${PRELUDE}mkdir -p "$folder" || exit 70
${ENTER}probe=./casa-upgrade.probe
echo ok >"$probe" && sync "$probe" && rm -f "$probe" && exit 0
rm -f "$probe"
exit 70
`;

/**
 * Stores stdin as a dump that does not count yet, on the disk when it ends; prints its checksum. Argument: name of the
 * dump.
 */
export const WRITE = `${PRELUDE}mkdir -p "$folder" || exit 70
${ENTER}if [ -e "./$1.partial" ]; then echo "$1.partial exists already" >&2; exit 70; fi
cat >"./$1.partial" && sync "./$1.partial" && sha256sum <"./$1.partial" && exit 0
rm -f "./$1.partial"
exit 70
`;

/**
 * Prints the size of a file, and the file; ends with the end of stdin. A command that ends while its output is still on
 * the way loses the rest of it, so it waits until all has arrived. Argument: name of the file.
 */
export const READ = `${PRELUDE}${ENTER}size=$(wc -c <"./$1") && echo $((size)) && cat "./$1" && cat >/dev/null && exit 0
exit 70
`;

/**
 * Makes a dump count: gives it its name, and the manifest on stdin the name beside it, last. Arguments: name of the
 * dump, of the manifest, checksum of the manifest.
 */
export const FINISH = `${PRELUDE}${ENTER}
arrived() {
  sum=$(sha256sum <"./$1")
  if [ "\${sum%% *}" = "$2" ]; then return 0; fi
  echo "the manifest did not arrive as it was sent" >&2
  return 1
}
cat >"./$2.partial" && sync "./$2.partial" && arrived "$2.partial" "$3" \\
  && mv "./$1.partial" "./$1" && mv "./$2.partial" "./$2" && sync . && exit 0
rm -f "./$2.partial"
exit 70
`;

/** Gives a file that is `*.partial` its name. Argument: the name. */
export const KEEP = `${PRELUDE}${ENTER}mv "./$1.partial" "./$1" && sync . && exit 0
exit 70
`;

/** Removes files, in their order. Arguments: their names. */
export const REMOVE = `${PRELUDE}if [ ! -d "$folder" ]; then exit 0; fi
${ENTER}for file in "$@"; do rm -f "./$file" || exit 70; done
`;

/** Prints the names of files that do not count, each on its line. */
export const PARTIAL = `${PRELUDE}${ENTER}for file in ./*.partial; do
  if [ -f "$file" ]; then printf '%s\\n' "\${file#./}" || exit 70; fi
done
`;

/**
 * Prints all manifests, each after a line with the mark and "file", and at the very end a line with the mark and "end":
 * a stream that breaks off looks like one that ends. Argument: the mark, which nobody can know.
 */
export const LIST = `${PRELUDE}if [ -d "$folder" ]; then
  ${ENTER}  for file in ./*.json; do
    if [ -f "$file" ]; then printf '\\n%s file\\n' "$1" && cat "$file"; fi
  done
fi
printf '\\n%s end\\n' "$1"
`;

/** The texts that {@link LIST} printed; undefined when it did not get to its end. */
export function listed(output: string, mark: string): string[] | undefined {
  const parts = output.split(`\n${mark} `);
  const last = parts.pop();
  if (last?.trimEnd() !== "end") return undefined;
  return parts.slice(1).map((part) => part.replace(/^file\n/, ""));
}
