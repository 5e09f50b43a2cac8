// The table of all tests: unpacked from its compressed columns, see toolkit/reports/dashboard/columns.py.
const KINDS = { B: Uint8Array, H: Uint16Array, I: Uint32Array, f: Float32Array };
const FLOOR = 1e-4, STEP = 1.0805;

function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text), found = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at++) found[at] = raw.charCodeAt(at);
  return found;
}

async function inflate(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** All tests by number, in the order of their names. */
class Tests {
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    Object.assign(this, { files: told.files, rest: told.names, markerSets: told.markers, workerNames: told.workers,
      stateNames: told.states, details: told.details, failing: told.failing, timelines: told.timeline });
    const start = 4 + length;
    this.columns = {};
    for (const [name, [kind, offset, size]] of Object.entries(told.arrays)) {
      this.columns[name] = new KINDS[kind](buffer, start + offset, size);
    }
    this.count = this.rest.length;
    this.offsets = new Uint32Array(this.count + 1);
    for (let at = 0; at < this.count; at++) this.offsets[at + 1] = this.offsets[at] + this.columns.counts[at];
    this.lowered = null;
    this.numbers = null;
  }
  name(at) { return this.files[this.columns.file[at]] + this.rest[at]; }
  letter(at) { const code = this.columns.verdict[at]; return code ? String.fromCharCode(code) : ""; }
  state(at) { const code = this.columns.state[at]; return code ? this.stateNames[code - 1] : ""; }
  markers(at) { return this.markerSets[this.columns.markers[at]]; }
  /** The number of a test of this name; undefined: there is none. */
  find(name) {
    if (!this.numbers) {
      this.numbers = new Map();
      for (let at = 0; at < this.count; at++) this.numbers.set(this.name(at), at);
    }
    return this.numbers.get(name);
  }
  /** Names in lower case, to search in. */
  get words() {
    if (!this.lowered) {
      const files = this.files.map((file) => file.toLowerCase()), of = this.columns.file;
      this.lowered = this.rest.map((rest, at) => files[of[at]] + rest.toLowerCase());
    }
    return this.lowered;
  }
  /** The newest results, newest first: {run: place in the trend, letter, seconds}. */
  history(at, most = 1000) {
    const { steps, letters, seconds } = this.columns, found = [];
    let run = facts.trend.length - 1;
    for (let place = this.offsets[at]; place < this.offsets[at + 1] && found.length < most; place++) {
      run -= steps[place];
      const code = seconds[place];
      found.push({ run, letter: String.fromCharCode(letters[place]), seconds: code ? FLOOR * STEP ** (code - 1) : null });
    }
    return found;
  }
  /** Letters of the newest results, oldest first. */
  past(at, most) {
    const begin = this.offsets[at], end = Math.min(this.offsets[at + 1], begin + most);
    return String.fromCharCode(...this.columns.letters.subarray(begin, end)).split("").reverse().join("");
  }
}
