/* Every limit of the server, with its reason. Defaults of sn_server_options are here too. */
#ifndef SN_SERVER_LIMITS_H
#define SN_SERVER_LIMITS_H

/* clang-format off */
#define SN_DEFAULT_MAX_BODY       ((size_t)64 << 20) /* as Triton: 16 million floats in binary, 100 images in JSON */
#define SN_DEFAULT_QUEUE_SIZE     1024               /* per model: a second or so of work that clients still wait for */

/* seconds */
#define SN_DEFAULT_HEADER_TIMEOUT 10.0 /* headers are small, a slow one is an attack */
#define SN_DEFAULT_BODY_TIMEOUT   60.0 /* 64 MiB at about 1 MiB/s; the same for reading the response */
#define SN_DEFAULT_IDLE_TIMEOUT   75.0 /* longer than the keep-alive of common proxies */
#define SN_DEFAULT_DRAIN_TIMEOUT  20.0 /* with the two below, less than the 30 after which Kubernetes kills */
#define SN_DEFAULT_GRACE          1.0  /* SIGTERM: how long probes may see "not ready" before new connections stop */
#define SN_MAX_TIMEOUT            1e6  /* 11 days: fits every clock, and libmicrohttpd's whole seconds */
#define SN_CANCEL_TIME            5.0  /* for cancelled requests to be answered with 503 */
#define SN_HANG_UP_TIME           1.0  /* to read what a client sent before it left */

#define SN_MAX_CONNECTIONS        4096               /* each is a descriptor and up to SN_CONNECTION_MEMORY */
#define SN_OTHER_DESCRIPTORS      32                 /* of libmicrohttpd, the timer, standard streams, models being read */
#define SN_CONNECTION_MEMORY      ((size_t)64 << 10) /* request line, headers and I/O buffer of one connection */
#define SN_FIRST_BODY_BUFFER      ((size_t)16 << 10)
#define SN_TRUSTED_BODY           ((size_t)1 << 20)  /* a Content-Length up to this is allocated before the bytes arrive */
#define SN_ALL_BODIES             ((size_t)1 << 30)  /* of all requests in flight; but at least two of the largest */
#define SN_DRAIN_BODY             ((size_t)1 << 20)  /* bytes above the limit that are read and dropped before the 413 */
#define SN_HTTP_THREADS           2
#define SN_LISTEN_BACKLOG         1024
/* clang-format on */

#endif
