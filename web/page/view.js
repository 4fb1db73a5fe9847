// The page of package web. The protocol is described at type socket in socket.go.
'use strict';

const tiles = new Map(); // by the stream's id
const main = document.getElementById('tiles');
const link = document.getElementById('link');
const utf8 = new TextDecoder();
let socket = null;
let pause = 500; // before the next attempt to connect, in milliseconds

// Names, messages and states are set as textContent only: they are never HTML.
class Tile {
  constructor(id) {
    this.id = id;
    this.root = document.getElementById('tile').content.firstElementChild.cloneNode(true);
    this.canvas = this.find('canvas');
    this.context = this.canvas.getContext('bitmaprenderer');
    this.visible = true;
    this.from = null; // the socket of a frame that waits for its acknowledgement
    this.held = false; // it was reported that this frame has arrived
    this.jpeg = null; // the newest picture, for the snapshot
    this.instead = this.silent = '';
    this.find('.picture').addEventListener('click', () => this.setFull(!this.root.classList.contains('full')));
    this.find('.snapshot').addEventListener('click', () => this.snapshot());
    this.find('.message').addEventListener('toggle', () => this.showMessage());
    main.append(this.root);
    seen.observe(this.root);
    byElement.set(this.root, this);
  }

  find(selector) { return this.root.querySelector(selector); }

  text(selector, value) {
    const element = this.find(selector);
    if (element.textContent !== value) element.textContent = value;
  }

  // update shows a Stream, as /api/streams describes it.
  update(stream) {
    if (this.state && this.state !== stream.state) announce(`${stream.name}: ${stream.state}`);
    this.name = stream.name;
    this.state = this.root.dataset.state = this.find('.state').dataset.state = stream.state;
    this.text('.name', stream.name);
    this.text('.state', stream.state);
    this.text('.fps', stream.fps.toFixed(1));
    this.text('.latency', stream.latency === undefined || stream.state !== 'live' ? '–' : duration(stream.latency));
    this.text('.dropped', stream.dropped === undefined ? '–' : String(stream.dropped));
    this.text('.size', size(stream.shape, stream.dtype));
    this.text('.peer', stream.peer || '–');
    this.label();
    this.silent = !stream.frames ? 'No frame yet' : stream.state === 'live' ? '' : `No frame for ${duration(Math.max(1, stream.silent))}`;
    this.note();
  }

  // note shows why there is no picture, or no new one.
  note() { this.text('.nothing', this.instead || this.silent); }

  label() {
    const full = this.root.classList.contains('full');
    this.find('.picture').setAttribute('aria-label', `${this.name}, ${this.state}: ${full ? 'back to all' : 'full size'}`);
    this.find('.snapshot').setAttribute('aria-label', `Snapshot of ${this.name}`);
  }

  // frame shows a frame, then acknowledges it.
  async frame(header, jpeg, from) {
    this.from = from;
    this.held = false;
    this.message = header.message || '';
    this.find('.message').hidden = !this.message;
    this.showMessage();
    if (header.reason) {
      this.picture(null, null, `${header.dtype} [${header.shape.join(', ')}]`);
    } else {
      try {
        const blob = new Blob([jpeg], { type: 'image/jpeg' });
        this.picture(await createImageBitmap(blob), blob, '');
      } catch {
        this.picture(null, null, 'This picture cannot be shown');
      }
    }
    this.canvas.dataset.seq = header.seq;
    if (document.hidden) this.acknowledge(); // there is no animation frame until it is visible
    else requestAnimationFrame(() => this.acknowledge());
  }

  picture(bitmap, blob, instead) {
    this.jpeg = blob;
    this.find('.snapshot').disabled = !blob;
    if (bitmap) {
      // The context takes the canvas's size from the picture.
      if (this.canvas.width !== bitmap.width) this.canvas.width = bitmap.width;
      if (this.canvas.height !== bitmap.height) this.canvas.height = bitmap.height;
    }
    this.context.transferFromImageBitmap(bitmap);
    this.instead = instead; // what is shown in place of a picture
    this.note();
  }

  showMessage() {
    if (!this.find('.message').open) return;
    let text = this.message;
    try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* Python's NaN, or a message that was cut */ }
    this.text('pre', text);
  }

  // acknowledge requests the next frame, if the page and the tile are visible. Otherwise it reports that this one has arrived.
  acknowledge() {
    if (!this.from || this.from !== socket || socket.readyState !== WebSocket.OPEN) return;
    if (!this.visible || document.hidden) {
      if (!this.held) socket.send(String(-this.id));
      this.held = true;
      return;
    }
    this.from = null;
    socket.send(String(this.id));
  }

  setFull(full) {
    for (const other of tiles.values()) {
      other.root.classList.toggle('full', full && other === this);
      other.root.inert = full && other !== this;
      other.find('.picture').setAttribute('aria-pressed', String(full && other === this));
      other.label();
    }
    this.find('.picture').focus();
  }

  // snapshot saves the picture as it was received.
  snapshot() {
    if (!this.jpeg) return;
    const a = document.createElement('a');
    a.href = URL.createObjectURL(this.jpeg);
    const time = new Date().toISOString().replace(/[:.]/g, '-');
    a.download = `${this.name.replace(/[^\p{L}\p{N} ()_-]+/gu, '_')} ${time}.jpg`;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 10000);
  }

  remove() {
    seen.unobserve(this.root);
    this.root.remove();
    tiles.delete(this.id);
  }
}

// A tile outside of the window requests no frames.
const byElement = new WeakMap();
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const tile = byElement.get(entry.target);
    tile.visible = entry.isIntersecting;
    tile.acknowledge();
  }
}, { rootMargin: '100px' });

function duration(seconds) {
  if (Math.abs(seconds) < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  return seconds < 6000 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function size(shape, dtype) {
  if (!shape) return '–';
  return dtype === 'uint8' && shape.length >= 2 && shape.length <= 3 ? `${shape[1]}×${shape[0]}` : `${dtype} [${shape.join(', ')}]`;
}

function announce(text) { document.getElementById('news').textContent = text; }

function showLink(state, text) {
  link.dataset.state = state;
  if (link.textContent !== text) link.textContent = text;
}

function showStreams(streams) {
  const present = new Set(streams.map((stream) => stream.id));
  for (const tile of [...tiles.values()]) if (!present.has(tile.id)) tile.remove();
  for (const stream of streams) {
    if (!tiles.has(stream.id)) tiles.set(stream.id, new Tile(stream.id));
    tiles.get(stream.id).update(stream);
  }
  document.getElementById('empty').hidden = streams.length > 0;
  const live = streams.filter((stream) => stream.state === 'live').length;
  document.getElementById('summary').textContent = streams.length ? `${live} of ${streams.length} live` : '';
}

function showFrame(data) {
  const length = new DataView(data).getUint32(0);
  const header = JSON.parse(utf8.decode(new Uint8Array(data, 4, length)));
  const tile = tiles.get(header.id);
  if (tile) tile.frame(header, new Uint8Array(data, 4 + length), socket);
  else socket.send(String(header.id));
}

function connect() {
  const url = new URL('ws', document.baseURI);
  url.protocol = url.protocol.replace('http', 'ws');
  socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    pause = 500;
    showLink('live', 'connected');
  };
  socket.onmessage = (event) => {
    if (typeof event.data === 'string') showStreams(JSON.parse(event.data).streams);
    else showFrame(event.data);
  };
  socket.onclose = lost;
}

// lost reports why the connection was refused, and tries again.
async function lost() {
  let why = 'connection lost';
  try {
    const response = await fetch('ws');
    if (response.status === 401) why = 'not signed in: reload the page';
    if (response.status === 503) why = 'too many viewers';
  } catch { /* the server is gone */ }
  showLink('lost', `${why}, trying again`);
  setTimeout(connect, pause);
  pause = Math.min(2 * pause, 10000);
}

document.addEventListener('visibilitychange', () => { for (const tile of tiles.values()) tile.acknowledge(); });
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  for (const tile of tiles.values()) if (tile.root.classList.contains('full')) tile.setFull(false);
});
connect();
