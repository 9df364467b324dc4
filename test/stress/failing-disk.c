// Preloaded: writes to a database, or its syncs, fail with EIO as long as a file says so.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int fd, const char *what) {
  const char *flag = getenv("FAILING_DISK");
  char path[4096], link[64];
  if (!flag) return 0;
  snprintf(path, sizeof path, "%s.%s", flag, what);
  if (access(path, F_OK) != 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!strstr(path, ".db")) return 0;
  errno = EIO;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
  return fails(fd, "write") ? -1 : REAL(pwrite)(fd, data, n, at);
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
  return fails(fd, "write") ? -1 : REAL(pwrite64)(fd, data, n, at);
}
ssize_t write(int fd, const void *data, size_t n) {
  return fails(fd, "write") ? -1 : REAL(write)(fd, data, n);
}
int fsync(int fd) { return fails(fd, "sync") ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return fails(fd, "sync") ? -1 : REAL(fdatasync)(fd); }
