/*
 * What TypeScript needs to know of libvhost-user's structures, in the compiler's words: printed as
 * JSON when the library is built (layout.c) and compiled into it (bridge.c), so that the two can be
 * compared when it is loaded. The layouts differ between versions and machines; nothing is assumed.
 */
#ifndef NVU_LAYOUT_H
#define NVU_LAYOUT_H

#include "libvhost-user.h"

/* A device: what libvhost-user keeps, and what we keep beside it. */
struct nvu_device {
  VuDev dev;
  VuDevIface iface;
  /* The next message, received whole and checked; vu_dispatch reads it from here. */
  VhostUserMsg staged;
  uint32_t is_staged;
  /* The library has given up on this connection, and why. */
  uint32_t panicked;
  char panic_text[256];
};

#define NVU_MESSAGE(field) offsetof(VhostUserMsg, field)
#define NVU_QUEUE(field) offsetof(VuVirtq, field)
#define NVU_REGION(field) offsetof(VuDevRegion, field)

#define NVU_LAYOUT(X)                                                   \
  X(deviceBytes, sizeof(struct nvu_device))                             \
  X(deviceRegionCount, offsetof(struct nvu_device, dev.nregions))       \
  X(deviceQueues, offsetof(struct nvu_device, dev.vq))                  \
  X(deviceFeatures, offsetof(struct nvu_device, dev.features))          \
  X(deviceStaged, offsetof(struct nvu_device, staged))                  \
  X(deviceIsStaged, offsetof(struct nvu_device, is_staged))             \
  X(devicePanicked, offsetof(struct nvu_device, panicked))              \
  X(devicePanicText, offsetof(struct nvu_device, panic_text))           \
  X(panicTextBytes, sizeof(((struct nvu_device *)0)->panic_text))       \
  X(queueBytes, sizeof(VuVirtq))                                        \
  X(queueSize, NVU_QUEUE(vring.num))                                    \
  X(queueDescriptorTable, NVU_QUEUE(vring.desc))                        \
  X(queueAvailRing, NVU_QUEUE(vring.avail))                             \
  X(queueUsedRing, NVU_QUEUE(vring.used))                               \
  X(queueLastAvail, NVU_QUEUE(last_avail_idx))                          \
  X(queueShadowAvail, NVU_QUEUE(shadow_avail_idx))                      \
  X(queueUsed, NVU_QUEUE(used_idx))                                     \
  X(queueCallFd, NVU_QUEUE(call_fd))                                    \
  X(queueKickFd, NVU_QUEUE(kick_fd))                                    \
  X(queueErrFd, NVU_QUEUE(err_fd))                                      \
  X(queueEnabled, NVU_QUEUE(enable))                                    \
  X(queueStarted, NVU_QUEUE(started))                                   \
  X(queueUserDescriptorTable, NVU_QUEUE(vra.desc_user_addr))            \
  X(queueUserAvailRing, NVU_QUEUE(vra.avail_user_addr))                 \
  X(queueUserUsedRing, NVU_QUEUE(vra.used_user_addr))                   \
  X(regionBytes, sizeof(VuDevRegion))                                   \
  X(regionGuestAddress, NVU_REGION(gpa))                                \
  X(regionSize, NVU_REGION(size))                                       \
  X(regionUserAddress, NVU_REGION(qva))                                 \
  X(regionMapOffset, NVU_REGION(mmap_offset))                           \
  X(regionMapAddress, NVU_REGION(mmap_addr))                            \
  X(messageBytes, sizeof(VhostUserMsg))                                 \
  X(messageRequest, NVU_MESSAGE(request))                               \
  X(messageFlags, NVU_MESSAGE(flags))                                   \
  X(messageSize, NVU_MESSAGE(size))                                     \
  X(messagePayload, NVU_MESSAGE(payload))                               \
  X(messagePayloadBytes, sizeof(((VhostUserMsg *)0)->payload))          \
  X(messageFds, NVU_MESSAGE(fds))                                       \
  X(messageFdCount, NVU_MESSAGE(fd_num))                                \
  X(tableRegionsMax, VHOST_MEMORY_BASELINE_NREGIONS)                    \
  X(memorySlotsMax, VHOST_USER_MAX_RAM_SLOTS)                           \
  X(configBytesMax, VHOST_USER_MAX_CONFIG_SIZE)

#endif
