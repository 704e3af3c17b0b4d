/*
 * The least that a mount can cost, for the bench of mounts: 16 files of 2 GiB from one buffer, by libfuse 3 in one thread.
 * MOUNT-POINT. Ends when it is unmounted, or with its stdin.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 16
#define FILE_BYTES (1LL << 31)
#define BUFFER_BYTES (64LL << 20)
#define SECONDS 60.0

static char *buffer;
static struct fuse_session *session;

static int describe(fuse_ino_t node, struct stat *stat) {
  memset(stat, 0, sizeof *stat);
  stat->st_ino = node;
  if (node == FUSE_ROOT_ID) {
    stat->st_mode = S_IFDIR | 0555;
    stat->st_nlink = 2;
    return 0;
  }
  if (node > FILES + 1) return -1;
  stat->st_mode = S_IFREG | 0444;
  stat->st_nlink = 1;
  stat->st_size = FILE_BYTES;
  stat->st_blksize = 1 << 20;
  return 0;
}

static void get_attributes(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  struct stat stat;
  (void)file;
  if (describe(node, &stat)) fuse_reply_err(request, ENOENT);
  else fuse_reply_attr(request, &stat, SECONDS);
}

static void lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param entry = {.attr_timeout = SECONDS, .entry_timeout = SECONDS};
  int index;
  if (parent != FUSE_ROOT_ID || sscanf(name, "made-%d-", &index) != 1 || index < 0 || index >= FILES) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  entry.ino = index + 2;
  describe(entry.ino, &entry.attr);
  fuse_reply_entry(request, &entry);
}

static void open_file(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
  (void)node;
  fuse_reply_open(request, file);
}

static void read_file(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file) {
  (void)node;
  (void)file;
  if (offset >= FILE_BYTES) size = 0;
  else if ((off_t)size > FILE_BYTES - offset) size = FILE_BYTES - offset;
  /* The buffer is longer than the pattern by the longest read. */
  fuse_reply_buf(request, buffer + offset % BUFFER_BYTES, size);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = lookup,
    .getattr = get_attributes,
    .open = open_file,
    .read = read_file,
};

static void *end_with_stdin(void *nothing) {
  char byte;
  while (read(0, &byte, 1) > 0) continue;
  fuse_session_unmount(session);
  fuse_session_exit(session);
  return nothing;
}

int main(int count, char **words) {
  char *options[] = {words[0], "-oro,fsname=passthrough", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(2, options);
  pthread_t watcher;
  if (count != 2) return 2;
  buffer = malloc(BUFFER_BYTES + (1 << 20));
  memset(buffer, 7, BUFFER_BYTES + (1 << 20));
  session = fuse_session_new(&args, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_session_mount(session, words[1])) return 1;
  printf("ready\n");
  fflush(stdout);
  pthread_create(&watcher, NULL, end_with_stdin, NULL);
  fuse_session_loop(session);
  return 0;
}
