import { isIPv6 } from "node:net";
import { parseGoDuration, parseWordDuration } from "./durations";

/** Whether a text is of a format; undefined where that cannot be said here. */
export type FormatCheck = (text: string) => boolean | undefined;

const UUID = (third: string, fourth: string) =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${third}-?${fourth}-?[0-9a-f]{12}$`, "i");
const [ANY4, VARIANT] = ["[0-9a-f]{4}", "[89ab][0-9a-f]{3}"];
const NAME_SIGN = "a-zA-Z0-9\\p{S}\\p{L}";
const HOSTNAME = new RegExp(
  `^(?:[${NAME_SIGN}](?:-?[${NAME_SIGN}]{0,62})?` +
    `|(?:[${NAME_SIGN}](?:[${NAME_SIGN}\\-]{0,61}[${NAME_SIGN}])?\\.)+(?:[a-zA-Z\\p{L}]){2,63})$`,
  "u",
);
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;
const TIME = /^(\d{2}):(\d{2}):(\d{2})(.\d+)?(z|[+-]\d{2}:\d{2})$/;
const COLOR = "\\s*(?:0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*";
const RGB_COLOR = new RegExp(`^rgb\\(${COLOR},${COLOR},${COLOR}\\)$`);
const CREDIT_CARD =
  /^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/;
const SHORT_NAME = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/**
 * Formats that the API server checks in text, by its spelling without dashes; any other word is no format to it.
 * Sources: apiextensions-apiserver 1.34, pkg/apiserver/validation/formats.go, and kube-openapi, pkg/validation/strfmt.
 */
export const FORMATS: ReadonlyMap<string, FormatCheck> = new Map<string, FormatCheck>([
  ["bsonobjectid", matching(/^[0-9a-f]{24}$/i)],
  ["uri", isRequestUri],
  ["email", isEmail],
  ["hostname", isHostname],
  ["ipv4", (text) => text.includes(".") && isIp(text)],
  ["ipv6", (text) => text.includes(":") && isIPv6(text) && !text.includes("%")],
  ["cidr", isCidr],
  ["mac", isMac],
  ["uuid", matching(UUID(ANY4, ANY4))],
  ["uuid3", matching(UUID("3[0-9a-f]{3}", ANY4))],
  ["uuid4", matching(UUID("4[0-9a-f]{3}", VARIANT))],
  ["uuid5", matching(UUID("5[0-9a-f]{3}", VARIANT))],
  ["isbn", (text) => isIsbn10(text) || isIsbn13(text)],
  ["isbn10", isIsbn10],
  ["isbn13", isIsbn13],
  ["creditcard", isCreditCard],
  ["ssn", (text) => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text)],
  ["hexcolor", matching(/^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i)],
  ["rgbcolor", matching(RGB_COLOR)],
  ["byte", matching(BASE64)],
  ["password", () => true],
  ["date", isDate],
  ["duration", (text) => parseGoDuration(text) !== undefined || parseWordDuration(text) !== undefined],
  ["datetime", isDateTime],
  // Checked from Kubernetes 1.34 on, which the schema does not tell.
  ["k8sshortname", (text) => (text.length <= 63 && SHORT_NAME.test(text) ? true : undefined)],
  [
    "k8slongname",
    (text) => (text.length <= 253 && text.split(".").every((part) => SHORT_NAME.test(part)) ? true : undefined),
  ],
]);

function matching(pattern: RegExp): FormatCheck {
  return (text) => pattern.test(text);
}

/** The check of a format, by any spelling of its name; undefined for words that are no format to the server. */
export function formatCheck(format: unknown): FormatCheck | undefined {
  return typeof format === "string" ? FORMATS.get(format.replaceAll("-", "")) : undefined;
}

/** What is surely a URI or a path, and what surely is none; Go's own parser decides about the rest. */
function isRequestUri(text: string): boolean | undefined {
  if (text === "" || /[\x00-\x1f\x7f]/.test(text)) return false;
  const plain = /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?)?(?:\/[\w\-.~/!$&'()*+,;=:@?#]*)?$/;
  if (plain.test(text)) return true;
  return /^(?:[A-Za-z][A-Za-z0-9+.-]*:|\/)/.test(text) || text.includes(":") ? undefined : text === "*";
}

function isEmail(text: string): boolean | undefined {
  if (!text.includes("@")) return false;
  return /^[\w+-]+(?:\.[\w+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*$/.test(text) ? true : undefined;
}

function isHostname(text: string): boolean {
  if (!HOSTNAME.test(text) || Buffer.byteLength(text) > 255) return false;
  return text.split(".").every((part) => Buffer.byteLength(part) <= 63);
}

/** As Kubernetes reads addresses: leading zeros are fine. */
function isIp(text: string): boolean {
  const parts = text.split(".");
  const v4 = parts.length === 4 && parts.every((part) => /^\d+$/.test(part) && Number(part) <= 255);
  return text.includes(":") ? isIPv6(text) && !text.includes("%") : v4;
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...more] = text.split("/");
  const most = address.includes(":") ? 128 : 32;
  return more.length === 0 && isIp(address) && /^\d+$/.test(bits) && Number(bits) <= most;
}

function isMac(text: string): boolean {
  const groups = /^[0-9a-f]{4}\./i.test(text) ? text.split(".") : text.split(text.charAt(2));
  const digits = groups[0]?.length === 4 ? 4 : 2;
  if (digits === 2 && !/[:-]/.test(text.charAt(2))) return false;
  const bytes = (groups.length * digits) / 2;
  return [6, 8, 20].includes(bytes) && groups.every((group) => new RegExp(`^[0-9a-f]{${digits}}$`, "i").test(group));
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  return [...digits].reduce((sum, digit, i) => sum + (i + 1) * (digit === "X" ? 10 : Number(digit)), 0) % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]+/g, "");
  if (!/^\d{13}$/.test(digits)) return false;
  return [...digits].reduce((sum, digit, i) => sum + (i % 2 ? 3 : 1) * Number(digit), 0) % 10 === 0;
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(/\D/g, "");
  if (!CREDIT_CARD.test(digits)) return false;
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 ? 2 : 1);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function isDate(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  if (year === undefined) return false;
  const at = new Date(0);
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  return at.getUTCMonth() === Number(month) - 1 && at.getUTCDate() === Number(day);
}

function isDateTime(text: string): boolean {
  const [date = "", time = ""] = text.toLowerCase().split("t");
  const [, hours = "99", minutes = "", seconds = ""] = TIME.exec(time) ?? [];
  return isDate(date) && hours <= "23" && minutes <= "59" && seconds <= "59";
}
