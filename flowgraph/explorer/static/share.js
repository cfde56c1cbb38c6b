/**
 * The state as the fragment of an address: "#1." and the deflated JSON in the alphabet of addresses.
 *
 * History stays at home: it would make addresses long, and nobody shares it on purpose.
 */

const PREFIX = "#1.";
/** Longest fragment that is looked at, in characters. */
const MOST_TEXT = 2_000_000;
/** Largest state, in bytes of JSON; a small fragment could otherwise unpack to any size. */
const MOST_BYTES = 8_000_000;

/**
 * @typedef {{error: string, message: string, where: string|null, got: string|null, expected: string|null,
 *   remedy: string|null, line: null, column: null}} ShareError as in the replies of Python
 */

class Broken extends Error {}

const wrong = (what, got = null) => ({
  error: "ShareError",
  message: `the link cannot be read: ${what}`,
  where: "the part of the address after #",
  got,
  expected: `${PREFIX}… as the explorer makes it`,
  remedy: "copy the whole link again, to its last character; mail programs cut long lines",
  line: null,
  column: null,
});

/**
 * The fragment that holds a state.
 * @param {object} state
 * @returns {Promise<string>}
 */
export async function encode(state) {
  const { past: _past, future: _future, ...kept } = state;
  const bytes = new TextEncoder().encode(JSON.stringify(kept));
  const packed = await collect(through(bytes, new CompressionStream("deflate-raw")), Infinity);
  return PREFIX + toText(packed);
}

/**
 * The state that a fragment holds, ready to be sent, or what is wrong with it. An empty fragment holds none.
 * @param {string} fragment
 * @returns {Promise<{state: object|null, error: ShareError|null}>}
 */
export async function decode(fragment) {
  if (fragment === "" || fragment === "#") return { state: null, error: null };
  try {
    const bytes = await collect(through(toBytes(fragment), new DecompressionStream("deflate-raw")), MOST_BYTES);
    return { state: checked(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))), error: null };
  } catch (error) {
    if (error instanceof Broken) return { state: null, error: wrong(error.message) };
    if (error instanceof SyntaxError || error instanceof TypeError) {
      return { state: null, error: wrong("it is cut short or was changed", `${fragment.length} characters`) };
    }
    throw error;
  }
}

function through(bytes, stream) {
  return new Blob([bytes]).stream().pipeThrough(stream);
}

/** All bytes of a stream, as long as they are not too many. */
async function collect(stream, most) {
  const reader = stream.getReader();
  const chunks = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > most) {
      await reader.cancel();
      throw new Broken(`it unpacks to more than ${most / 1e6} MB`);
    }
    chunks.push(part.value);
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

function toText(bytes) {
  let binary = "";
  // In pieces: the arguments of one call are limited.
  for (let k = 0; k < bytes.length; k += 8192) binary += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function toBytes(fragment) {
  if (!fragment.startsWith(PREFIX)) {
    if (/^#\d+\./.test(fragment)) throw new Broken("it was made by another version of flowgraph");
    throw new Broken(`it does not begin with ${PREFIX}`);
  }
  if (fragment.length > MOST_TEXT) throw new Broken(`it is longer than ${MOST_TEXT / 1e6} million characters`);
  const text = fragment.slice(PREFIX.length);
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw new Broken("it has characters that no link of the explorer has");
  if (text.length % 4 === 1) throw new Broken("it is cut short or was changed");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Python checks the rest; this only tells a state from any other JSON. */
function checked(state) {
  if (state === null || typeof state !== "object" || Array.isArray(state)) throw new Broken("it holds no state");
  if (state.v !== 1) throw new Broken("it was made by another version of flowgraph");
  if (typeof state.text !== "string") throw new Broken("it holds no program");
  return { ...state, past: [], future: [] };
}
