// Notes every byte that really goes into a combined log, and when that file came and went. Loaded before the service (node
// --require), because what Winston 3 does to its own lines is no reader's fault: now and then it drops some while it
// opens a file, and after a restart it walks over the old files' names and deletes one that it filled a millisecond ago.
const fs = require('node:fs');
const path = require('node:path');

const { open, close, write, writev, unlink } = fs;
const notes = fs.openSync(process.env.WITNESS, 'a');
const note = (fact) => fs.writeSync(notes, `${JSON.stringify(fact)}\n`);
const noteText = (opened, bytes) => note({ file: opened.id, at: Date.now(), text: bytes.toString() });
const isLog = (file) => path.basename(String(file)).startsWith('combined');

const byDescriptor = new Map();
const byInode = new Map();
let count = 0;

fs.open = (file, ...rest) => {
  const done = rest.pop();
  open(file, ...rest, (error, fd) => {
    if (!error && isLog(file)) {
      const opened = { id: `${process.pid}.${count++}` };
      note({ file: opened.id, name: path.basename(file) });
      byDescriptor.set(fd, opened);
      byInode.set(fs.fstatSync(fd).ino, opened);
    }
    done(error, fd);
  });
};

fs.close = (fd, ...rest) => {
  byDescriptor.delete(fd);
  close(fd, ...rest);
};

fs.unlink = (file, ...rest) => {
  const inode = isLog(file) ? fs.statSync(file, { throwIfNoEntry: false })?.ino : undefined;
  const opened = byInode.get(inode);
  if (opened) {
    note({ file: opened.id, gone_at: Date.now() });
    byInode.delete(inode);
  }
  unlink(file, ...rest);
};

fs.write = (fd, data, ...rest) => {
  const done = rest.pop();
  write(fd, data, ...rest, (error, written, buffer) => {
    const from = rest[0] || 0;
    const opened = byDescriptor.get(fd);
    if (!error && opened) noteText(opened, data.subarray(from, from + written));
    done(error, written, buffer);
  });
};

fs.writev = (fd, chunks, ...rest) => {
  const done = rest.pop();
  writev(fd, chunks, ...rest, (error, written, buffers) => {
    const opened = byDescriptor.get(fd);
    if (!error && opened) noteText(opened, Buffer.concat(chunks).subarray(0, written));
    done(error, written, buffers);
  });
};
