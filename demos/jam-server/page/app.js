"use strict";
// The page of a jam: joins through the official Phoenix client, and shows who plays what.
const { Socket, Presence } = window.Phoenix;

const LOOPS = ["kick", "hats", "claps", "bass", "chords", "arpeggio", "lead"];
const config = document.body.dataset;
const element = (id) => document.getElementById(id);

const socket = new Socket("/socket", { params: { token: config.token } });
let topic = config.topic;
let channel = null;
let presence = null;
let me = null;
let members = [];
// Whether the server has this page in a jam now. What is shown may be older.
let inside = false;
// Whether the connection broke since.
let lost = false;

// ---- Seats ----------------------------------------------------------------------------------------

// Each seat has two animals of its own, so no two members of a jam have one name.
function nameOf({ user_id: userId, seat }) {
  const first = ["Amber", "Brisk", "Coral", "Dusky", "Early", "Fable", "Golden", "Hazel", "Indigo", "Jolly", "Keen",
    "Lunar", "Mellow", "Noble", "Olive", "Plum"];
  const second = ["Badger", "Crane", "Dingo", "Egret", "Finch", "Gecko", "Heron", "Ibis", "Jackal", "Koala", "Lynx",
    "Marten", "Newt", "Otter"];
  return `${first[parseInt(userId[0], 16)]} ${second[2 * seat + parseInt(userId[1], 16) % 2]}`;
}

// A room id has the number of the room and its generation: short enough for a person.
function nameOfJam(jam) {
  const id = BigInt(`0x${jam.replace("jams:", "")}`);
  return `${(id >> 24n) & 0x7ffffffn}.${id & 0xffffffn}`;
}

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const steps = Array.from({ length: Sound.STEPS }, () => make("li"));
element("beat").append(...steps);

const seats = LOOPS.map((loop, number) => {
  const pattern = Sound.PATTERNS[loop].map((note) => make("i", { className: note ? "note" : "rest" }));
  const who = make("p", { className: "who" });
  const what = make("p", { className: "what" });
  const item = make("li", { className: `seat seat-${number}` },
    make("h2", { textContent: loop }), make("div", { className: "pattern", ariaHidden: "true" }, ...pattern), who, what);
  element("seats").append(item);
  return { item, who, what, pattern, loop };
});

function show() {
  const bySeat = new Map(members.map((meta) => [meta.seat, meta]));
  seats.forEach((seat, number) => {
    const meta = bySeat.get(number);
    const mine = meta !== undefined && meta.user_id === me;
    seat.item.classList.toggle("taken", meta !== undefined);
    seat.item.classList.toggle("mine", mine);
    seat.item.classList.toggle("away", Boolean(meta?.away));
    seat.item.classList.toggle("playing", Boolean(meta?.playing));
    seat.item.dataset.user = meta?.user_id ?? "";
    // A page that is in no jam does not know which seats are free.
    seat.who.textContent = meta ? nameOf(meta) + (mine ? " (you)" : "") : inside ? "free" : "–";
    seat.what.textContent = !meta ? "" : meta.away ? "away, seat held" : meta.playing ? "plays" : "silent";
  });
  const own = members.find((meta) => meta.user_id === me);
  const button = element("play");
  button.disabled = !own || !inside;
  button.setAttribute("aria-pressed", String(Boolean(own?.playing)));
  button.textContent = own ? `${own.playing ? "Stop" : "Play"} the ${own.loop_name}` : "Play your loop";
  const link = element("jam");
  link.textContent = nameOfJam(topic);
  link.href = `/jams/${topic.replace("jams:", "")}`;
  document.body.dataset.topic = topic;
}

function say(text) {
  const notice = element("notice");
  notice.textContent = text;
  notice.hidden = text === "";
}

function connection(text) {
  const pill = element("connection");
  pill.textContent = text;
  pill.dataset.state = text;
}

// ---- The channel ----------------------------------------------------------------------------------

function join(nextTopic, ticket) {
  topic = nextTopic;
  // A ticket is good for one join; after a reconnection the server knows the user.
  let once = ticket;
  channel = socket.channel(topic, () => {
    const params = once ? { ticket: once } : {};
    once = "";
    return params;
  });
  presence = new Presence(channel);
  presence.onSync(() => {
    members = presence.list((_, { metas }) => metas[metas.length - 1]);
    show();
  });
  const joining = channel;
  // Not by this page: it lets go of the channel before.
  channel.onClose(() => {
    if (channel === joining) end("left", "Your seat went to another page of yours.", "Join again");
  });
  channel.join()
    .receive("ok", ({ user_id: user }) => {
      me = user;
      inside = true;
      if (lost) say("");
      lost = false;
      connection("in the jam");
      show();
    })
    .receive("error", ({ new_topic: other, ticket: seat, reason }) => {
      if (channel !== joining) return;
      lost = false;
      if (other) {
        channel = null;
        joining.leave();
        say(`Jam ${nameOfJam(topic)} was full or had closed. A seat was kept for you in jam ${nameOfJam(other)}.`);
        document.body.dataset.redirects = String(Number(document.body.dataset.redirects ?? 0) + 1);
        join(other, seat);
      } else {
        end("refused", `The server says: ${reason}.`, "Try again");
      }
    });
  show();
}

// Leaves the jam and the server; the button then leads back.
function end(why, text, again) {
  const ending = channel;
  channel = null;
  ending.leave().receive("ok", () => socket.disconnect());
  members = [];
  inside = false;
  connection(why);
  say(text);
  Object.assign(element("leave"), { textContent: again, className: "" });
  show();
}

function leave() {
  if (channel) end("left", "You have left the jam.", "Join again");
  else location.assign("/");
}

function toggle() {
  const own = members.find((meta) => meta.user_id === me);
  if (!own || !inside) return;
  Sound.start();
  channel.push(own.playing ? "loop:stopped" : "loop:played", { user_id: me });
}

socket.onOpen(() => {
  if (channel) connection("joining");
});
socket.onClose(() => {
  if (!channel) return;
  if (inside) say("The connection is lost. Your seat is kept for a short time, and the page tries again by itself.");
  lost ||= inside;
  inside = false;
  connection("reconnecting");
  show();
});
socket.connect();
join(config.topic, config.ticket);
// Reloading would claim a seat that is taken.
config.ticket = "";

// ---- Controls -------------------------------------------------------------------------------------

Sound.loops(() => members.filter((meta) => meta.playing && !meta.away).map((meta) => meta.loop_name));
element("play").addEventListener("click", toggle);
element("leave").addEventListener("click", leave);
element("volume").addEventListener("input", (event) => Sound.volume(event.target.value / 100));
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && !(event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement)) {
    event.preventDefault();
    toggle();
  } else if (event.key === "m" || event.key === "M") {
    say(Sound.toggleMute() ? "Sound is off. M turns it on." : "");
  }
});
// A page that does not play itself still hears the others, once the user has touched it.
for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, () => Sound.start(), { once: true });

let shown = -1;
function animate() {
  const now = Sound.step();
  if (now !== shown) {
    if (shown >= 0) steps[shown].classList.remove("now");
    steps[now].classList.add("now");
    for (const { pattern } of seats) {
      if (shown >= 0) pattern[shown].classList.remove("now");
      pattern[now].classList.add("now");
    }
    shown = now;
  }
  requestAnimationFrame(animate);
}
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) animate();

async function poll() {
  try {
    const state = await (await fetch("/state")).json();
    for (const figure of document.querySelectorAll("[data-figure]")) {
      figure.textContent = state[figure.dataset.figure];
    }
  } catch {
    // The server is away; the connection says so.
  }
  setTimeout(poll, 2000);
}
poll();
