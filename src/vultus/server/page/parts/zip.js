// A zip that was chosen, read in the browser: the service destroys what it was sent when a job ends.

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LONGEST_END = 22 + 65535;
const HEAD = 30;
const UTF8 = 0x800;
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** The files of a zip by name; null if it cannot be read here (no zip, or a very large one). */
export async function openZip(file) {
  const tail = new DataView(await file.slice(Math.max(0, file.size - LONGEST_END)).arrayBuffer());
  for (let at = tail.byteLength - 22; at >= 0; at -= 1) {
    if (tail.getUint32(at, true) !== END) continue;
    const [size, start] = [tail.getUint32(at + 12, true), tail.getUint32(at + 16, true)];
    return new Zip(file, entries(new DataView(await file.slice(start, start + size).arrayBuffer())));
  }
  return null;
}

class Zip {
  constructor(file, known) {
    this.file = file;
    this.known = known;
  }

  /** Whether a file of this name is in it. */
  has(name) {
    return this.known.has(name);
  }

  /** A file of it, unpacked; null if it has none of this name. */
  async read(name) {
    const entry = this.known.get(name);
    if (entry === undefined) return null;
    const head = new DataView(await this.file.slice(entry.start, entry.start + HEAD).arrayBuffer());
    const start = entry.start + HEAD + head.getUint16(26, true) + head.getUint16(28, true);
    const packed = this.file.slice(start, start + entry.size);
    if (entry.method === 0) return packed;
    if (entry.method !== 8) return null;
    return new Response(packed.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
  }
}

function entries(view) {
  const found = new Map();
  for (let at = 0; at + 46 <= view.byteLength && view.getUint32(at, true) === ENTRY; ) {
    const [name, extra, note] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at + 46, name);
    const entry = { method: view.getUint16(at + 10, true), size: view.getUint32(at + 20, true), start: view.getUint32(at + 42, true) };
    found.set(view.getUint16(at + 8, true) & UTF8 ? new TextDecoder().decode(bytes) : fromCp437(bytes), entry);
    at += 46 + name + extra + note;
  }
  return found;
}

function fromCp437(bytes) {
  return Array.from(bytes, (byte) => (byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128])).join("");
}
