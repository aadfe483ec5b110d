"use strict";
// The seven loops, synthesised. All browsers count steps from the same clock, so that members of a jam
// hear one beat.
const Sound = (() => {
  const STEPS = 16;
  const STEP_SECONDS = 60 / 112 / 4;
  const LOOK_AHEAD = 0.15;

  // What each loop plays at each step: 0 is a rest, other numbers are notes or strengths.
  const PATTERNS = {
    kick: [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1],
    hats: [0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0],
    claps: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    bass: [33, 0, 0, 33, 0, 0, 36, 0, 29, 0, 0, 29, 0, 31, 0, 0],
    chords: [57, 0, 0, 0, 0, 0, 57, 0, 53, 0, 0, 0, 0, 0, 55, 0],
    arpeggio: [69, 72, 76, 72, 69, 72, 76, 81, 65, 69, 72, 69, 67, 71, 74, 71],
    lead: [0, 0, 81, 0, 79, 0, 76, 0, 0, 0, 77, 0, 79, 0, 0, 74],
  };

  let context = null;
  let master = null;
  let noise = null;
  let volume = 0.7;
  let muted = false;
  let active = () => [];
  let scheduled = 0;

  const hertz = (note) => 440 * 2 ** ((note - 69) / 12);
  const stepNow = () => Date.now() / 1000 / STEP_SECONDS;

  function envelope(time, peak, seconds) {
    const gain = context.createGain();
    gain.gain.setValueAtTime(0.0001, time);
    gain.gain.exponentialRampToValueAtTime(peak, time + 0.005);
    gain.gain.exponentialRampToValueAtTime(0.0001, time + seconds);
    gain.connect(master);
    return gain;
  }

  function tone(time, type, note, peak, seconds, cutoff) {
    const oscillator = context.createOscillator();
    oscillator.type = type;
    oscillator.frequency.value = hertz(note);
    let output = envelope(time, peak, seconds);
    if (cutoff) {
      const filter = context.createBiquadFilter();
      filter.frequency.value = cutoff;
      filter.connect(output);
      output = filter;
    }
    oscillator.connect(output);
    oscillator.start(time);
    oscillator.stop(time + seconds + 0.05);
    return oscillator;
  }

  function hiss(time, type, frequency, peak, seconds) {
    const source = context.createBufferSource();
    const filter = context.createBiquadFilter();
    source.buffer = noise;
    filter.type = type;
    filter.frequency.value = frequency;
    source.connect(filter);
    filter.connect(envelope(time, peak, seconds));
    source.start(time);
    source.stop(time + seconds + 0.05);
  }

  const PLAYERS = {
    kick(time) {
      const oscillator = tone(time, "sine", 45, 0.9, 0.3);
      oscillator.frequency.setValueAtTime(150, time);
      oscillator.frequency.exponentialRampToValueAtTime(45, time + 0.12);
    },
    hats: (time) => hiss(time, "highpass", 8000, 0.25, 0.06),
    claps: (time) => hiss(time, "bandpass", 1600, 0.7, 0.18),
    bass: (time, note) => tone(time, "sawtooth", note, 0.4, 0.28, 420),
    chords(time, note) {
      [0, 3, 7].forEach((third) => tone(time, "triangle", note + third, 0.16, 0.7, 1800));
    },
    arpeggio: (time, note) => tone(time, "square", note, 0.07, 0.14, 2600),
    lead: (time, note) => tone(time, "sine", note, 0.2, 0.35),
  };

  function schedule() {
    if (context === null || context.state !== "running") return;
    const now = stepNow();
    scheduled = Math.max(scheduled, Math.ceil(now));
    for (; scheduled < now + LOOK_AHEAD / STEP_SECONDS; scheduled += 1) {
      const time = context.currentTime + (scheduled - now) * STEP_SECONDS;
      for (const loop of active()) {
        const note = PATTERNS[loop]?.[scheduled % STEPS];
        if (note) PLAYERS[loop](time, note);
      }
    }
  }

  function apply() {
    if (master) master.gain.setTargetAtTime(muted ? 0 : volume, context.currentTime, 0.02);
  }

  return {
    STEPS,
    PATTERNS,
    step: () => Math.floor(stepNow()) % STEPS,
    // Browsers let a page sound only after the user has done something on it.
    start() {
      if (context === null) {
        context = new AudioContext();
        master = context.createGain();
        master.gain.value = volume;
        master.connect(context.destination);
        noise = context.createBuffer(1, context.sampleRate / 4, context.sampleRate);
        const samples = noise.getChannelData(0);
        for (let at = 0; at < samples.length; at += 1) samples[at] = Math.random() * 2 - 1;
        setInterval(schedule, 40);
      }
      context.resume();
    },
    loops(which) { active = which; },
    volume(part) { volume = part; apply(); },
    toggleMute() { muted = !muted; apply(); return muted; },
  };
})();
