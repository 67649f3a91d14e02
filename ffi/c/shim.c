/*
 * What TypeScript cannot do for itself: system calls, memory outside V8's heap, and recovery from
 * SIGBUS. Policy lives on the other side; a function here does one thing.
 *
 * Conventions: addresses travel as uint64_t (a JavaScript number below 2^53); a negative result is
 * -errno. Nothing here allocates on the way of a request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Raised with every change of this interface; native-library.ts compares it. */
#define NVU_SHIM_VERSION 5

#define POINTER(type, address) ((type *)(uintptr_t)(address))

int nvu_shim_version(void) { return NVU_SHIM_VERSION; }

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Zeroed memory for what JavaScript and the kernel share (pollfd, iovec tables); 0 when there is none. */
uint64_t nvu_allocate(uint64_t bytes) { return (uintptr_t)calloc(1, bytes); }

void nvu_free(uint64_t address) { free(POINTER(void, address)); }

/* A sealable memfd of `bytes` zeroes. */
int nvu_memfd(uint64_t bytes) {
  int fd = memfd_create("node-vhost-user", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  if (ftruncate(fd, (off_t)bytes) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/* mmap(2), shared, from `offset` on, a multiple of the page size; the address goes to *address. */
int nvu_map(int fd, uint64_t offset, uint64_t bytes, int writable, uint64_t *address) {
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void *mapping = mmap(NULL, bytes, protection, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
  if (mapping == MAP_FAILED) return -errno;
  *address = (uintptr_t)mapping;
  return 0;
}

int nvu_unmap(uint64_t address, uint64_t bytes) {
  return munmap(POINTER(void, address), bytes) == 0 ? 0 : -errno;
}

int nvu_open_read(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

/* ---- File descriptors ------------------------------------------------------------------------ */

int nvu_close(int fd) { return close(fd) == 0 ? 0 : -errno; }

int nvu_eventfd(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

/* Adds 1 to an eventfd. A full counter (EAGAIN) is no error: its reader has news already. */
int nvu_signal(int fd) {
  uint64_t one = 1;
  if (write(fd, &one, sizeof one) == (ssize_t)sizeof one) return 0;
  return errno == EAGAIN ? 0 : -errno;
}

/* Empties an eventfd: 1 when there was something in it, 0 when not. */
int nvu_drain(int fd) {
  uint64_t count;
  if (read(fd, &count, sizeof count) == (ssize_t)sizeof count) return 1;
  return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* poll(2); a signal counts as "nothing ready". */
int nvu_poll(uint64_t entries, uint32_t count, int timeout_ms) {
  int ready = poll(POINTER(struct pollfd, entries), count, timeout_ms);
  if (ready >= 0) return ready;
  return errno == EINTR ? 0 : -errno;
}

int nvu_epoll(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

/* Reports `place` when there is something to read in `fd`; `edge`: only when more has come. */
int nvu_epoll_add(int epoll_fd, int fd, uint32_t place, int edge) {
  struct epoll_event event = {.events = EPOLLIN | (edge ? EPOLLET : 0), .data.u32 = place};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int nvu_epoll_remove(int epoll_fd, int fd) {
  return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL) == 0 ? 0 : -errno;
}

/* What one call reports at the most; the rest is reported by the next. */
#define EVENTS_MAX 64

/* epoll_wait(2): the places that are ready, to places[]; how many. A signal counts as none. */
int nvu_epoll_wait(int epoll_fd, uint64_t places, uint32_t capacity, int timeout_ms) {
  struct epoll_event events[EVENTS_MAX];
  int max = capacity < EVENTS_MAX ? (int)capacity : EVENTS_MAX;
  int ready = epoll_wait(epoll_fd, events, max, timeout_ms);
  if (ready < 0) return errno == EINTR ? 0 : -errno;
  for (int i = 0; i < ready; i++) POINTER(uint32_t, places)[i] = events[i].data.u32;
  return ready;
}

/* Is `fd` writable (POLLOUT) at once? 1, 0 or -errno. */
int nvu_writable(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLOUT};
  int ready = poll(&entry, 1, 0);
  if (ready < 0) return -errno;
  return (entry.revents & POLLOUT) != 0;
}

/* 1 when `fd` is an eventfd. The kernel says so in /proc only. */
int nvu_is_eventfd(int fd) {
  static const char name[] = "anon_inode:[eventfd]";
  char link[64] = "/proc/self/fd/";
  char target[sizeof name + 1];
  char digits[12];
  int at = 0;
  for (unsigned rest = (unsigned)fd; rest != 0 || at == 0; rest /= 10) digits[at++] = (char)('0' + rest % 10);
  size_t end = strlen(link);
  while (at > 0) link[end++] = digits[--at];
  link[end] = 0;
  ssize_t length = readlink(link, target, sizeof target);
  if (length < 0) return -errno;
  return length == (ssize_t)sizeof name - 1 && memcmp(target, name, sizeof name - 1) == 0;
}

int nvu_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

/* 1 for a file in memory (memfd, tmpfs, hugetlbfs), which alone know seals; asks no file system. */
int nvu_is_shared_memory(int fd) { return fcntl(fd, F_GET_SEALS) >= 0; }

/* 1 for a regular file (memfd and hugetlbfs included), else 0; its size goes to out[0], the size of
 * its pages to out[1]. */
int nvu_file_facts(int fd, uint64_t *out) {
  struct stat status;
  struct statfs system;
  if (fstat(fd, &status) != 0) return -errno;
  if (fstatfs(fd, &system) != 0) return -errno;
  const unsigned hugetlbfs_magic = 0x958458f6;
  out[0] = (uint64_t)status.st_size;
  out[1] = (unsigned)system.f_type == hugetlbfs_magic ? (uint64_t)system.f_bsize
                                                      : (uint64_t)sysconf(_SC_PAGESIZE);
  return S_ISREG(status.st_mode);
}

/* fallocate(2): gives the room of a range back to the disk; it reads as zeros then. */
int nvu_punch_hole(int fd, uint64_t offset, uint64_t bytes) {
  int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return fallocate(fd, mode, (off_t)offset, (off_t)bytes) == 0 ? 0 : -errno;
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

static int unix_address(const char *path, struct sockaddr_un *address) {
  size_t length = strlen(path);
  if (length == 0) return -EINVAL;
  if (length >= sizeof address->sun_path) return -ENAMETOOLONG;
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  return 0;
}

/*
 * A listening, non-blocking socket at `path` with exactly these permissions; `gid` -1 keeps the
 * group. Nobody but the owner can connect before they are set: the mode of the socket's own inode
 * is what bind(2) gives to the file.
 */
int nvu_listen(const char *path, uint32_t mode, int gid, int backlog) {
  struct sockaddr_un address;
  int error = unix_address(path, &address);
  if (error != 0) return error;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  if (fchmod(fd, 0600) != 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    error = errno;
    close(fd);
    return -error;
  }
  /* listen first: clients wait for the file to appear, and connect at once when it does. */
  if (listen(fd, backlog) != 0 || (gid != -1 && lchown(path, (uid_t)-1, (gid_t)gid) != 0) ||
      chmod(path, mode) != 0) {
    error = errno;
    unlink(path);
    close(fd);
    return -error;
  }
  return fd;
}

int nvu_connect(const char *path, int nonblocking) {
  struct sockaddr_un address;
  int error = unix_address(path, &address);
  if (error != 0) return error;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int nvu_accept(int fd) {
  int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
  return client < 0 ? -errno : client;
}

/* The number of the group `name`; -ENOENT when there is none. */
int nvu_group(const char *name) {
  struct group entry, *found = NULL;
  char buffer[16384];
  int error = getgrnam_r(name, &entry, buffer, sizeof buffer, &found);
  if (error != 0) return -error;
  return found == NULL ? -ENOENT : (int)found->gr_gid;
}

/* Kernel's limit for one message (SCM_MAX_FD). */
#define FDS_MAX 253

union control {
  char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
  struct cmsghdr alignment;
};

/* Sends up to `length` bytes, file descriptors with the first; returns how many were taken. */
int nvu_send(int fd, const uint8_t *bytes, uint32_t length, const int *fds, uint32_t fd_count) {
  union control control;
  struct iovec vector = {.iov_base = (void *)bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (fd_count > FDS_MAX) return -EINVAL;
  if (fd_count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : (int)sent;
}

/*
 * Receives up to `length` bytes and the file descriptors that came with them, close-on-exec. Up to
 * `fds_max` of these go to `fds`, their number to *fd_count; if there were more, all are closed and
 * the result is -EMSGSIZE. 0 bytes: the peer has closed.
 */
int nvu_receive(int fd, uint8_t *bytes, uint32_t length, int *fds, uint32_t fds_max,
                uint32_t *fd_count, int wait) {
  union control control;
  struct iovec vector = {.iov_base = bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t received;
  *fd_count = 0;
  do received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  /* MSG_CTRUNC: the kernel could not install them all (EMFILE); the rest is gone. */
  int too_many = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int passed;
      memcpy(&passed, CMSG_DATA(header) + i * sizeof(int), sizeof passed);
      if (*fd_count < fds_max) {
        fds[(*fd_count)++] = passed;
      } else {
        close(passed);
        too_many = 1;
      }
    }
  }
  if (!too_many) return (int)received;
  while (*fd_count > 0) close(fds[--*fd_count]);
  return -EMSGSIZE;
}

/* ---- SIGBUS ---------------------------------------------------------------------------------- */

/*
 * A mapping faults when its file is shorter than the mapping or the disk fails: SIGBUS, raised in
 * the thread that touched it.
 *
 * (a) In a guarded copy: back to where the copy began, which returns -EIO.
 * (b) In guest memory that is registered here (the VM manager truncated its own memory; JavaScript
 *     touched it): the whole region is replaced by anonymous zeroes, so that the thread goes on,
 *     and its fault counter rises. The connection is to be dropped. One fault per region at most:
 *     page by page would let the VM manager use up the kernel's limit of mappings.
 * (c) Elsewhere: whatever would have happened without us.
 *
 * The initial-exec model keeps the thread-locals usable in a signal handler: no lazy allocation.
 */
#define THREAD_LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))

THREAD_LOCAL sigjmp_buf *volatile armed;
THREAD_LOCAL volatile uint32_t guest_faults;

/* Guest memory regions in the process: 509 for each of 8 devices. */
#define GUARDED_RANGES_MAX 4096

struct range {
  /* 0: free. Written last and cleared first: the handler may look at any time. */
  _Atomic uint64_t start;
  uint64_t bytes;
};

static struct range ranges[GUARDED_RANGES_MAX];
static _Atomic uint32_t ranges_used; /* no range lies at or beyond this index */
static pthread_mutex_t ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;
static struct sigaction previous_action;

static int replace_guest_memory(uint64_t address) {
  uint32_t used = atomic_load(&ranges_used);
  for (uint32_t i = 0; i < used; i++) {
    uint64_t start = atomic_load(&ranges[i].start);
    uint64_t bytes = ranges[i].bytes;
    if (start == 0 || address < start || address - start >= bytes) continue;
    void *zeroes = mmap(POINTER(void, start), bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return zeroes != MAP_FAILED;
  }
  return 0;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context) {
  int error = errno;
  if (info->si_code > 0) { /* from the kernel, not from kill(2) */
    if (replace_guest_memory((uintptr_t)info->si_addr)) {
      guest_faults++;
      errno = error;
      return;
    }
    if (armed != NULL) siglongjmp(*armed, 1);
  }
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
  } else {
    /* Taken away; the faulting instruction runs again and meets the default: the process ends. */
    signal(SIGBUS, SIG_DFL);
    if (info->si_code <= 0) raise(SIGBUS);
  }
  errno = error;
}

static void install_handler(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_sigbus;
  /* SA_NODEFER: a jump out of the handler must not leave the signal blocked. */
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous_action);
}

/* Registers guest memory for (b); `bytes` is a multiple of its page size. -ENOSPC: too many. */
int nvu_guard_add(uint64_t start, uint64_t bytes) {
  int result = -ENOSPC;
  pthread_once(&handler_once, install_handler);
  pthread_mutex_lock(&ranges_lock);
  for (uint32_t i = 0; i < GUARDED_RANGES_MAX; i++) {
    if (atomic_load(&ranges[i].start) != 0) continue;
    ranges[i].bytes = bytes;
    atomic_store(&ranges[i].start, start);
    if (i >= atomic_load(&ranges_used)) atomic_store(&ranges_used, i + 1);
    result = 0;
    break;
  }
  pthread_mutex_unlock(&ranges_lock);
  return result;
}

/* To be called before the memory is unmapped: another mapping may take its place at once. */
int nvu_guard_remove(uint64_t start) {
  int result = -ENOENT;
  pthread_mutex_lock(&ranges_lock);
  for (uint32_t i = 0; i < atomic_load(&ranges_used); i++) {
    if (atomic_load(&ranges[i].start) != start) continue;
    atomic_store(&ranges[i].start, 0);
    result = 0;
    break;
  }
  uint32_t used = atomic_load(&ranges_used);
  while (used > 0 && atomic_load(&ranges[used - 1].start) == 0) used--;
  atomic_store(&ranges_used, used);
  pthread_mutex_unlock(&ranges_lock);
  return result;
}

/* Where the calling thread's fault counter (u32) lies. */
uint64_t nvu_guest_faults(void) { return (uintptr_t)&guest_faults; }

/* ---- Guarded copies -------------------------------------------------------------------------- */

/* Runs `work`, which touches mappings that may fault; the enclosing function returns 0 or -EIO. */
#define GUARDED(work)                             \
  do {                                            \
    sigjmp_buf back;                              \
    pthread_once(&handler_once, install_handler); \
    if (sigsetjmp(back, 0) != 0) {                \
      armed = NULL;                               \
      return -EIO;                                \
    }                                             \
    armed = &back;                                \
    atomic_signal_fence(memory_order_seq_cst);    \
    work;                                         \
    atomic_signal_fence(memory_order_seq_cst);    \
    armed = NULL;                                 \
    return 0;                                     \
  } while (0)

/* memcpy out of a mapping, into memory of JavaScript's. */
int nvu_copy_out(void *target, uint64_t source, uint64_t bytes) {
  GUARDED(memcpy(target, POINTER(void, source), bytes));
}

struct copy {
  double source;
  double target;
  double bytes;
};

/* Which of its copies the calling thread is at. */
THREAD_LOCAL volatile uint32_t copy_at;

/* What a stream of stores past the caches moves at a time: a cache line. */
#define LINE 64

/* memcpy by stores that go to memory, not into the caches; a fence has to follow. */
static void stream(uint8_t *target, const uint8_t *source, size_t bytes) {
#ifdef __SSE2__
  size_t head = -(uintptr_t)target & (LINE - 1);
  if (head > bytes) head = bytes;
  memcpy(target, source, head);
  target += head, source += head, bytes -= head;
  for (; bytes >= LINE; target += LINE, source += LINE, bytes -= LINE) {
    const __m128i *from = (const __m128i *)source;
    __m128i *to = (__m128i *)target;
    __m128i a = _mm_loadu_si128(from), b = _mm_loadu_si128(from + 1);
    __m128i c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
    _mm_stream_si128(to, a);
    _mm_stream_si128(to + 1, b);
    _mm_stream_si128(to + 2, c);
    _mm_stream_si128(to + 3, d);
  }
#endif
  memcpy(target, source, bytes);
}

/* Not inlined: its variables must not live in the frame that siglongjmp returns to. */
__attribute__((noinline)) static void run(const struct copy *copies, uint32_t first, uint32_t end,
                                          int streaming) {
  for (uint32_t i = first; i < end; i++) {
    const struct copy *copy = &copies[i];
    uint8_t *target = POINTER(uint8_t, (uint64_t)copy->target);
    const uint8_t *source = POINTER(uint8_t, (uint64_t)copy->source);
    copy_at = i;
    if (i + 1 < end && copy[1].source != copy->source + copy->bytes) {
      /* Another place in the file: its first bytes come from memory while these are copied. */
      __builtin_prefetch(POINTER(void, (uint64_t)copy[1].source));
      __builtin_prefetch(POINTER(void, (uint64_t)copy[1].source + LINE));
    }
    if (streaming) stream(target, source, (size_t)copy->bytes);
    else memcpy(target, source, (size_t)copy->bytes);
  }
#ifdef __SSE2__
  if (streaming) _mm_sfence();
#endif
}

static int run_guarded(const struct copy *copies, uint32_t first, uint32_t end, int streaming) {
  GUARDED(run(copies, first, end, streaming));
}

/*
 * Makes the copies [first, end) of the table, in order. Returns where it ended: `end`, or the copy
 * that met memory which is not there. `streaming`: past the caches, for more than these hold.
 */
uint32_t nvu_copy(uint64_t copies, uint32_t first, uint32_t end, int streaming) {
  int result = run_guarded(POINTER(const struct copy, copies), first, end, streaming);
  return result == 0 ? end : copy_at;
}
