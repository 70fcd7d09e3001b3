// SPDX-License-Identifier: BSD-2-Clause
// node read.cjs FILE...: what independent parsers make of playlists (.m3u8) and manifests (.mpd),
// a line of JSON each: the segments of each stream with their durations, in order. Runs where
// install.sh put it, beside the parsers.
'use strict';
const fs = require('fs');
const { Parser } = require('m3u8-parser');
const { parse } = require('mpd-parser');

const segmentsOf = (playlist) => playlist.segments.map((segment) => ({
  duration: segment.duration,
  init: segment.map ? segment.map.resolvedUri || segment.map.uri : null,
  key: segment.key ? { method: segment.key.method, uri: segment.key.uri } : null,
  range: segment.byterange || null,
  uri: segment.resolvedUri || segment.uri,
}));

const readPlaylist = (text) => {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  const list = parser.manifest;
  return {
    ended: Boolean(list.endList),
    first: list.mediaSequence,
    playlists: (list.playlists || []).map((playlist) => playlist.uri),
    streams: list.segments && list.segments.length ? [segmentsOf(list)] : [],
    target: list.targetDuration,
    type: list.playlistType || null,
  };
};

const readManifest = (text) => {
  const manifest = parse(text, { manifestUri: 'http://127.0.0.1/' });
  const sounds = Object.values(manifest.mediaGroups.AUDIO.audio || {});
  return {
    duration: manifest.duration,
    ended: manifest.endList,
    streams: [...manifest.playlists, ...sounds.flatMap((set) => set.playlists)].map(segmentsOf),
  };
};

for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, 'utf8');
  console.log(JSON.stringify(file.endsWith('.mpd') ? readManifest(text) : readPlaylist(text)));
}
