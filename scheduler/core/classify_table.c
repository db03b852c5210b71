/*
 * The built-in table of `classify`: which words and statuses mean what.
 *
 * Order: first the texts that name one object's state, then throttled, capacity and passing trouble, then
 * what lasts, then bare statuses. So where one text has both a passing and a lasting cause, the passing one
 * wins: a bounded retry costs seconds, a wrong verdict costs a run. Sources of the texts: moby, containerd,
 * runc, crun, Podman, distribution and Prefect, as tests/data/error-corpus.tsv names them row by row.
 */
#include "core/classify_internal.h"

#include "base/check.h"

#define ENGINE_AND_REGISTRY (FROM_ENGINE | FROM_REGISTRY)

const struct classify_rule classify_rules[] = {
    /* -- the engine, about one object -- */
    /* the engine's router, or somebody else's page: neither says anything about the object */
    {"engine-no-such-route", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 404, "page not found",
     ERROR_CLASS_PERMANENT, false},
    {"not-the-engine", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 404, "<html|<!doctype", ERROR_CLASS_TRANSIENT,
     false},
    {"image-other-platform", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "was found but does not match the specified platform|was found but its platform*does not match|"
     "does not provide the specified platform",
     ERROR_CLASS_PERMANENT, false},
    {"no-such-image", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0, "no such image", ERROR_CLASS_GONE, false},
    {"no-such-container", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "no such container|no container with name or id|container has already been removed", ERROR_CLASS_GONE,
     false},
    /* Docker says 409, Podman 500 */
    {"name-taken", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "container name*already in use|already in use by container|that name is already in use",
     ERROR_CLASS_CONFLICT, false},
    {"already-connected", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "endpoint with name*already exists in network|already connected to network|network is already connected",
     ERROR_CLASS_CONFLICT, false},
    {"wrong-state", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "container state improper|marked for removal|is already in progress|can only stop created or running|"
     "can only kill running|has active endpoints|id already exists|id already in use|as it is running - "
     "running or paused",
     ERROR_CLASS_CONFLICT, false},

    /* -- asked to slow down -- */
    {"throttled-429", FROM_ANY, STAGES_ANY, STATUS_ANY, 429, NULL, ERROR_CLASS_THROTTLED, false},
    {"throttled", ENGINE_AND_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "toomanyrequests|too many requests|rate limit|ratelimit|rate exceeded|http 429|status 429|status: 429|"
     "status code 429|429 too many|status code: 429|quota exceeded for quota metric|throttling|slow down",
     ERROR_CLASS_THROTTLED, false},

    /* -- the host is out of something -- */
    /* the job's own limit, not the host's */
    {"memory-limit-too-low", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "memory limit too low|minimum memory limit", ERROR_CLASS_PERMANENT, false},
    {"disk-full", ENGINE_AND_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "no space left on device|disk quota exceeded|not enough space|free data blocks which is less "
     "than|enospc",
     ERROR_CLASS_CAPACITY, false},
    {"memory-full", ENGINE_AND_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "cannot allocate memory|out of memory|not enough memory|insufficient memory|possibly oom-killed|enomem",
     ERROR_CLASS_CAPACITY, false},
    {"port-in-use", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "address already in use|port is already allocated|all ports are allocated|ports are not available|"
     "port is already in use",
     ERROR_CLASS_CAPACITY, false},
    {"addresses-used-up", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "no available ipv4 addresses|no available ipv6 addresses|no available addresses on this pool|"
     "no address returned|non-overlapping ipv4 address pool|non-overlapping ipv6 address pool|"
     "fully subnetted|exchange full",
     ERROR_CLASS_CAPACITY, false},
    /* another holds the lock on the firewall's tables */
    {"firewall-busy", FROM_ENGINE, STAGES_ANY, STATUS_NOT_4XX, 0,
     "iptables*resource temporarily unavailable|xtables lock", ERROR_CLASS_TRANSIENT, false},
    {"kernel-limit", ENGINE_AND_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "too many open files|resource temporarily unavailable|no buffer space available|exceeded num_locks|"
     "insufficient resources|insufficient system resources|exhausted|failed to allocate|could not find an "
     "available|maximum number of|limit reached|max_user_namespaces|not enough quota|no suitable node|cannot "
     "fork|pthread_create failed|newosproc|too many users",
     ERROR_CLASS_CAPACITY, false},

    /* -- TLS between the engine and a registry -- */
    {"client-certificate-refused", ENGINE_AND_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "tls: bad certificate|tls: certificate required|tls: unknown certificate authority|"
     "tls: expired certificate|tls: revoked certificate",
     ERROR_CLASS_AUTH, false},
    {"certificate", FROM_ANY, STAGES_ANY, STATUS_ANY, 0,
     "x509:|certificate signed by unknown authority|certificate verify failed|"
     "server gave http response to https client|does not look like a tls handshake|tls: handshake failure|"
     "tls: protocol version not supported|wrong version number|ssl certificate problem",
     ERROR_CLASS_PERMANENT, false},

    /* -- passing trouble -- */
    /* the engine itself never sends these: something between us gave up waiting for its answer */
    {"engine-gateway-502", FROM_ENGINE, STAGE_BIT(CREATE) | STAGE_BIT(NETWORK) | STAGE_BIT(START), STATUS_ANY,
     502, NULL, ERROR_CLASS_UNKNOWN_OUTCOME, false},
    {"engine-gateway-504", FROM_ENGINE, STAGE_BIT(CREATE) | STAGE_BIT(NETWORK) | STAGE_BIT(START), STATUS_ANY,
     504, NULL, ERROR_CLASS_UNKNOWN_OUTCOME, false},
    /* the plugin is asked about the answer when the request has been carried out */
    {"answer-not-authorized", FROM_ENGINE, STAGE_BIT(CREATE) | STAGE_BIT(NETWORK) | STAGE_BIT(START),
     STATUS_NOT_4XX, 0, "authzplugin.authzres", ERROR_CLASS_UNKNOWN_OUTCOME, false},
    {"daemon-not-there", FROM_ENGINE, STAGES_ANY, STATUS_NONE, 0,
     "cannot connect to the docker daemon|is the docker daemon running", ERROR_CLASS_TRANSIENT, true},
    /* the same before Prefect; where nothing is changed, `judge` makes it transient */
    {"prefect-gateway-502", FROM_PREFECT, STAGES_ANY, STATUS_ANY, 502, NULL, ERROR_CLASS_UNKNOWN_OUTCOME,
     false},
    {"prefect-gateway-504", FROM_PREFECT, STAGES_ANY, STATUS_ANY, 504, NULL, ERROR_CLASS_UNKNOWN_OUTCOME,
     false},
    {"prefect-gateway-reset", FROM_PREFECT, STAGES_ANY, STATUS_5XX, 0,
     "reset reason: connection termination|reset reason: remote", ERROR_CLASS_UNKNOWN_OUTCOME, false},
    /* a proxy before the engine (Docker Desktop's, Portainer's), which can't reach it */
    {"daemon-behind-proxy", FROM_ENGINE, STAGES_ANY, STATUS_NOT_4XX, 0,
     "daemon not running|daemon is not running|desktop is not running|desktop*unable to start|engine is not "
     "running|docker.raw.sock|docker.sock: connect: no such file|docker.sock: connect: connection refused|"
     "endpoint is down|unable to connect to the docker",
     ERROR_CLASS_TRANSIENT, true},
    {"daemon-socket-denied", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "permission denied while trying to connect|docker.sock: connect: permission denied", ERROR_CLASS_AUTH,
     true},
    /* NXDOMAIN is an answer: a mistyped registry must come to an end, so it costs tries */
    {"registry-unknown-host", FROM_REGISTRY, STAGES_ANY, STATUS_NOT_4XX, 0, "no such host",
     ERROR_CLASS_TRANSIENT, false},
    {"registry-out-of-reach", FROM_REGISTRY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "connection refused|no route to host|network is unreachable|dial tcp*i/o timeout|host is down|"
     "temporary failure in name resolution|server misbehaving|dial tcp*connection timed out",
     ERROR_CLASS_TRANSIENT, true},
    {"timeout", FROM_ANY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "deadline exceeded|deadlineexceeded|i/o timeout|handshake timeout|timed out|timeout exceeded|"
     "timeout awaiting|timeout waiting|gateway timeout|request canceled|context canceled|context cancelled|"
     "operation was canceled|no progress",
     ERROR_CLASS_TRANSIENT, false},
    {"connection-broken", FROM_ANY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "connection reset|connection refused|broken pipe|unexpected eof|: eof|connection aborted|"
     "no such host|no route to host|network is unreachable|temporary failure in name resolution|"
     "server misbehaving|use of closed network connection|server closed|connection closed|closed connection|"
     "client connection lost|transport is closing|error while dialing|code = unavailable|ttrpc: closed|"
     "stream error|goaway|bad record mac|unexpected end of json input",
     ERROR_CLASS_TRANSIENT, false},
    {"other-side-restarting", FROM_ANY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "unexpected http status: 5|unexpected status: 5|unexpected status code 5|status code 5|"
     "error parsing http 5|error parsing http 408|internal server error|bad gateway|service unavailable|"
     "shutting down|shim exited|containerd is not|not ready|maintenance|temporarily|"
     "does not have a leader|try again later",
     ERROR_CLASS_TRANSIENT, false},
    {"busy", FROM_ANY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "database is locked|resource busy|text file busy|"
     "cannot assign requested address|interrupted system call|input/output error|stale file handle|"
     "deadlock|verification failed for digest|download failed after*unexpected|layer does not exist|"
     "being used by another process|ref*locked|locked for|dataset is busy|unable to freeze|did not die "
     "within|"
     "is zombie and can not|no logs from conmon|conmon bytes|container not started|connection is unavailable|"
     "can't get final child|cgroup configuration*no such device|snapshot*does not exist|snapshot*not "
     "found|content digest*not found|lease*not "
     "found|invalid tar header|crc32 mismatch|checksum "
     "error|unexpected commit digest|failed size validation",
     ERROR_CLASS_TRANSIENT, false},
    {"wrong-state-500", FROM_ENGINE, STAGES_ANY, STATUS_5XX, 0,
     "non running container|runtime.v2.task*file exists|is already running|already started|"
     "has active exec sessions",
     ERROR_CLASS_CONFLICT, false},

    /* -- the engine: what lasts -- */
    {"network-missing-404", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 404, "network * not found",
     ERROR_CLASS_PERMANENT, false},
    {"network-missing", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "no such network:|unable to find network|network not found", ERROR_CLASS_PERMANENT, false},
    {"plugin-missing", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "plugin*not found|error looking up volume plugin|error looking up logging plugin|"
     "could not select device driver|cdi device",
     ERROR_CLASS_PERMANENT, false},
    {"command-missing", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "executable file*not found|exec format error|no command specified|no command or entrypoint|"
     "attempted to invoke a command that was not found",
     ERROR_CLASS_PERMANENT, false},
    {"mount", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 0,
     "invalid mount|bind source path does not exist|error while creating mount source path|error mounting|"
     "duplicate mount point|duplicate mount destination|invalid volume spec|are you trying to mount a "
     "directory|"
     "invalid characters for a local volume name|statfs*no such file or directory",
     ERROR_CLASS_PERMANENT, false},
    {"runtime", FROM_ENGINE, STAGES_ANY, STATUS_NOT_4XX, 0,
     "oci runtime*no such file or directory|oci runtime*invalid argument|oci runtime*numerical result|"
     "oci runtime*no such device|invalid argument*oci runtime|no such device*oci runtime|"
     "iptables*invalid argument|unknown or invalid runtime|unknown runtime|unable to find user|"
     "unable to find group|no matching entries in|error gathering device information|nvidia-container-cli|"
     "permission denied|operation not permitted|not a directory|is a directory|read-only file system|"
     "operation not supported|function not implemented|argument list too long|no such file or directory*oci "
     "runtime|cgroups v2|controller*is not available|cgroup mount*|is not in a separate|a shared "
     "mount|shared "
     "or slave mount|seccomp|apparmor|selinux|load program|executable file not found",
     ERROR_CLASS_PERMANENT, false},
    /* somebody reloads its tables under the engine */
    {"firewall-changed", FROM_ENGINE, STAGES_ANY, STATUS_NOT_4XX, 0,
     "iptables failed|ip6tables failed|nftables", ERROR_CLASS_TRANSIENT, false},
    {"refused-values", FROM_ENGINE, STAGES_ANY, STATUS_NOT_4XX, 0,
     "json: cannot unmarshal|invalid character|invalid reference format|strconv.|invalid port|"
     "invalid ip address|unknown capability|not supported|unsupported|short-name*did not resolve|"
     "invalid value|invalid option|invalid config|is not valid|is invalid|unknown option|unknown log opt|"
     "unrecognized|not allowed|cannot be used|cannot be set|cannot be specified|must be |must not |is "
     "required|incompatible|conflicting options|does not match our|configuration mismatch|is not a valid|"
     "dataset does not exist|not enabled|is disabled|disabled by|does not exist|cannot find|"
     "unable to find|unknown mode|no such device",
     ERROR_CLASS_PERMANENT, false},
    {"no-swarm-here", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 503, "not a swarm manager|not part of a swarm",
     ERROR_CLASS_PERMANENT, false},
    {"network-refused", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 403,
     "host network|another container or host|not manually attachable|pool overlaps|user defined networks",
     ERROR_CLASS_PERMANENT, false},

    /* ours: it refused, but a credential helper had failed in a way that may pass */
    {"registry-no-login-yet", FROM_REGISTRY, STAGE_BIT(PULL), STATUS_ANY, 0, CLASSIFY_NO_LOGIN_YET,
     ERROR_CLASS_TRANSIENT, false},

    /* -- a registry: what lasts -- */
    {"registry-no-platform", FROM_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "no matching manifest|no match for platform|does not match the specified platform|no image found*for "
     "arch|no supported platform|operating system*cannot be used|no child with platform",
     ERROR_CLASS_PERMANENT, false},
    {"registry-policy", FROM_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "due to configured policy|policy violation|policyviolation|trust data|not signed|signature was required|"
     "no signature exists|signature verification|image rejected|rejected by policy|vulnerabilit",
     ERROR_CLASS_PERMANENT, false},
    /* of the host's files while it unpacks: not the registry's word */
    {"layer-refused", FROM_REGISTRY, STAGES_ANY, STATUS_NOT_4XX, 0,
     "tar file*permission denied|register layer*permission denied|extract layer*permission denied|"
     "register layer*no such file or directory|extract*stat parent*no such file or directory|"
     "unhandled tar header",
     ERROR_CLASS_PERMANENT, false},
    /* one text for a missing repository and a missing login: a person must tell which; the registry refused
     */
    {"registry-auth", FROM_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "pull access denied|unauthorized|authentication required|no basic auth credentials|denied|forbidden|"
     "insufficient_scope|authorization failed|not authorized|incorrect username or password|"
     "authorization token has expired|http 401|http 403|status: 401|status: 403|failed to fetch oauth token|"
     "do not have permission|does not have permission|failed to fetch anonymous token|error getting "
     "credentials|credential helper|docker-credential-|invalid credentials|invalid username/password|please "
     "log in|please login|token is expired|token expired|expired token",
     ERROR_CLASS_AUTH, false},
    /* "target is plugin": not the kind of thing that a container is made of */
    {"registry-unsupported", FROM_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "unsupported|target is unknown|target is plugin|not supported|not implemented|invalid reference "
     "format|mediatype|media type|media-type|"
     "don't match|does not match|unknown compression|wrong diff id|breakout|illegal|schema|deprecated|not "
     "allowed|is not valid|is not a valid|no longer supported|user namespace|subuid|insufficient "
     "uids|lchown|mknod|"
     "too many levels|name too long|"
     "cannot be decoded|max depth exceeded|cannot download image with operating system|manifest invalid|"
     "name_invalid|name invalid|invalid repository name|must be lowercase|short-name*did not resolve|"
     "operation not permitted|permission denied|read-only file system|invalid argument|error parsing http "
     "400",
     ERROR_CLASS_PERMANENT, false},
    {"registry-gone", FROM_REGISTRY, STAGES_ANY, STATUS_ANY, 0,
     "manifest unknown|name unknown|not known to registry|unknown blob|blob unknown|not found|does not exist|"
     "no such image|error parsing http 404|no such manifest",
     ERROR_CLASS_GONE, false},

    /* -- bare statuses -- */
    {"status-401", FROM_ANY, STAGES_ANY, STATUS_ANY, 401, NULL, ERROR_CLASS_AUTH, false},
    {"status-403", FROM_ANY, STAGES_ANY, STATUS_ANY, 403, NULL, ERROR_CLASS_AUTH, false},
    {"status-407", FROM_ANY, STAGES_ANY, STATUS_ANY, 407, NULL, ERROR_CLASS_AUTH, false},
    {"status-404", FROM_ANY, STAGES_ANY, STATUS_ANY, 404, NULL, ERROR_CLASS_GONE, false},
    {"status-410", FROM_ANY, STAGES_ANY, STATUS_ANY, 410, NULL, ERROR_CLASS_GONE, false},
    {"status-408", FROM_ANY, STAGES_ANY, STATUS_ANY, 408, NULL, ERROR_CLASS_TRANSIENT, false},
    {"status-425", FROM_ANY, STAGES_ANY, STATUS_ANY, 425, NULL, ERROR_CLASS_TRANSIENT, false},
    {"prefect-exists", FROM_PREFECT, STAGES_ANY, STATUS_ANY, 409, "already exists", ERROR_CLASS_CONFLICT,
     false},
    /* sqlite and PostgreSQL write conflicts of the server; repeating is safe by transition id */
    {"prefect-409", FROM_PREFECT, STAGES_ANY, STATUS_ANY, 409, NULL, ERROR_CLASS_TRANSIENT, false},
    {"prefect-423", FROM_PREFECT, STAGES_ANY, STATUS_ANY, 423, NULL, ERROR_CLASS_TRANSIENT, false},
    {"status-409", FROM_ANY, STAGES_ANY, STATUS_ANY, 409, NULL, ERROR_CLASS_CONFLICT, false},
    {"status-304", FROM_ENGINE, STAGES_ANY, STATUS_ANY, 304, NULL, ERROR_CLASS_CONFLICT, false},
    {"status-3xx", FROM_ANY, STAGES_ANY, STATUS_3XX, 0, NULL, ERROR_CLASS_PERMANENT, false},
    {"status-4xx", FROM_ANY, STAGES_ANY, STATUS_4XX, 0, NULL, ERROR_CLASS_PERMANENT, false},
    {"status-501", FROM_ANY, STAGES_ANY, STATUS_ANY, 501, NULL, ERROR_CLASS_PERMANENT, false},
    {"status-505", FROM_ANY, STAGES_ANY, STATUS_ANY, 505, NULL, ERROR_CLASS_PERMANENT, false},
    {"status-5xx", FROM_ANY, STAGES_ANY, STATUS_5XX, 0, NULL, ERROR_CLASS_TRANSIENT, false},
    {"unknown", FROM_ANY, STAGES_ANY, STATUS_ANY, 0, NULL, ERROR_CLASS_TRANSIENT, false},
};
const size_t classify_rule_count = ARRAY_LEN(classify_rules);

#define LOST(error_class, out_of_reach)                                                                      \
    {                                                                                                        \
        TRANSPORT_KIND_MAYBE_SENT, error_class, out_of_reach                                                 \
    }
#define UNSENT(error_class, out_of_reach)                                                                    \
    {                                                                                                        \
        TRANSPORT_KIND_NOT_SENT, error_class, out_of_reach                                                   \
    }

const struct classify_transport classify_transports[] = {
    [TRANSPORT_NONE] = {TRANSPORT_KIND_ANSWERED, ERROR_CLASS_TRANSIENT, false},
    [TRANSPORT_ENOENT_UNIX] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_EACCES_UNIX] = UNSENT(ERROR_CLASS_AUTH, true),
    [TRANSPORT_ECONNREFUSED_UNIX] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_ECONNREFUSED_TCP] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_EHOSTUNREACH] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_ENETUNREACH] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    /* its listen queue is full: there, but swamped */
    [TRANSPORT_EAGAIN_UNIX] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    /* our own process is out of descriptors, which other runs free */
    [TRANSPORT_EMFILE] = UNSENT(ERROR_CLASS_CAPACITY, true),
    [TRANSPORT_CONNECT_FAILED] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_CONNECT_TIMEOUT] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_DNS] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_TLS_VERIFY] = UNSENT(ERROR_CLASS_PERMANENT, true),
    [TRANSPORT_TLS_CLIENT_CERT] = UNSENT(ERROR_CLASS_AUTH, true),
    [TRANSPORT_TLS_CERT_FILE] = UNSENT(ERROR_CLASS_PERMANENT, true),
    [TRANSPORT_TLS_VERSION] = UNSENT(ERROR_CLASS_PERMANENT, true),
    [TRANSPORT_TLS_HANDSHAKE_TIMEOUT] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_SEND_FAILED] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_NOTHING_ACCEPTED] = UNSENT(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_READ_TIMEOUT] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_RESET_BEFORE_ANSWER] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_CLOSED_BEFORE_ANSWER] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_REUSED_CLOSED] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_PARTIAL_HEADERS] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_PARTIAL_BODY] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_IDLE_TIMEOUT] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_TOTAL_TIMEOUT] = LOST(ERROR_CLASS_TRANSIENT, false),
    /* the frame says that the stream was not processed (RFC 9113, 6.8) */
    [TRANSPORT_GOAWAY] = UNSENT(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_BODY_TOO_LARGE] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_BAD_ANSWER] = LOST(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_BREAKER_OPEN] = UNSENT(ERROR_CLASS_TRANSIENT, true),
    [TRANSPORT_BUDGET_EMPTY] = UNSENT(ERROR_CLASS_TRANSIENT, false),
    [TRANSPORT_CANCELLED] = LOST(ERROR_CLASS_TRANSIENT, false),
};
