package doctor

import "github.com/oikion/orgcast/internal/setup"

// Code names a kind of [Finding]. Codes stay: scripts ask for them.
type Code string

// The codes that are not setup's.
const (
	VariableUnknown      Code = "variable_unknown"
	ConfigurationInvalid Code = "configuration_invalid"
	DevelopmentPublic    Code = "development_public"
	AdminOpen            Code = "admin_open"

	SecretMissing   Code = "secret_missing"
	SecretShort     Code = "secret_short"
	SecretSpaced    Code = "secret_spaced"
	SecretsDiffer   Code = "secrets_differ"
	SecretsNumbered Code = "secrets_numbered"
	SessionSalt     Code = "session_salt"
	SessionInvalid  Code = "session_invalid"
	CookieScheme    Code = "cookie_scheme"
	CookieNamesBoth Code = "cookie_names_both"

	OriginInvalid Code = "origin_invalid"
	OriginsNone   Code = "origins_none"
	CookieHost    Code = "cookie_host"

	RulesInvalid    Code = "rules_invalid"
	SensitiveColumn Code = "sensitive_column"
	TenantUnmapped  Code = "tenant_unmapped"

	DataDirUnusable Code = "data_dir_unusable"
	DataDirMissing  Code = "data_dir_missing"
	DataDirOpen     Code = "data_dir_open"
	DiskFull        Code = "disk_full"
	DiskShort       Code = "disk_short"
	LogLocked       Code = "log_locked"
	LogForeign      Code = "log_foreign"
	LogDamaged      Code = "log_damaged"
	LogOfAnother    Code = "log_of_another"
	LogDiscontinued Code = "log_discontinued"

	SealSecretUnusable Code = "seal_secret_unusable"
	APIKeysUnreadable  Code = "api_keys_unreadable"

	DatabaseURLMissing  Code = "database_url_missing"
	DatabaseURLInvalid  Code = "database_url_invalid"
	DatabasePrisma      Code = "database_prisma"
	DatabasePooler      Code = "database_pooler"
	DatabasePlaintext   Code = "database_plaintext"
	ParametersLeftOut   Code = "parameters_left_out"
	DatabaseUnreachable Code = "database_unreachable"
	DatabaseTLS         Code = "database_tls"
	DatabasePassword    Code = "database_password"
	DatabaseRefused     Code = "database_refused"
	DatabaseMissing     Code = "database_missing"
	DatabaseFull        Code = "database_full"

	CommitAsync         Code = "commit_async"
	CommitWaits         Code = "commit_waits"
	DispatchIdle        Code = "dispatch_idle"
	OwnStandby          Code = "own_standby"
	ClockSkew           Code = "clock_skew"
	TransactionLong     Code = "transaction_long"
	TransactionPrepared Code = "transaction_prepared"
	TransactionsHidden  Code = "transactions_hidden"

	WALKeepUnlimited    Code = "wal_keep_unlimited"
	WALKeepSmall        Code = "wal_keep_small"
	WALSenderTimeout    Code = "wal_sender_timeout"
	WALSendersFew       Code = "wal_senders_few"
	WALSendersExhausted Code = "wal_senders_exhausted"
	ReplicationRefused  Code = "replication_refused"
	SlotIdleTimeout     Code = "slot_idle_timeout"
	SlotLost            Code = "slot_lost"
	SlotRetains         Code = "slot_retains"
	SlotActive          Code = "slot_active"
	SlotTaken           Code = "slot_taken"
	SlotWithoutLog      Code = "slot_without_log"
	FailoverNone        Code = "failover_none"
	FailoverOff         Code = "failover_off"
	FailoverUnheld      Code = "failover_unheld"
	FailoverBlocked     Code = "failover_blocked"

	ProxyUnreachable Code = "proxy_unreachable"
	ProxyNoUpstream  Code = "proxy_no_upstream"
	ProxyNotReady    Code = "proxy_not_ready"
	ProxyNotOrgcast  Code = "proxy_not_orgcast"
	ProxyRedirects   Code = "proxy_redirects"
	ProxyCompresses  Code = "proxy_compresses"
	ProxyHeaders     Code = "proxy_headers"
	ProxyUntrusted   Code = "proxy_untrusted"

	CheckFailed Code = "check_failed"
)

// entry is a code's line in docs/DOCTOR.md.
type entry struct {
	subject  string
	code     Code
	severity Severity
	what     string
}

// entries are all codes, in the order of the reference.
var entries = []entry{
	{"Configuration", VariableUnknown, Fatal, "a variable begins with ORGCAST_ and is none"},
	{"Configuration", ConfigurationInvalid, Fatal, "a variable has a value that is not valid"},
	{"Configuration", DevelopmentPublic, Fatal, "NODE_ENV is development, which lets any origin connect, and the listener is not on loopback"},
	{"Configuration", AdminOpen, Fatal, "the operator's listener is off loopback and has no token"},

	{"Sessions", SecretMissing, Fatal, "no secret of the application's is set"},
	{"Sessions", SecretShort, Warning, "a secret has fewer than 32 bytes"},
	{"Sessions", SecretSpaced, Warning, "a secret begins or ends with white space"},
	{"Sessions", SecretsDiffer, Warning, "AUTH_SECRET and NEXTAUTH_SECRET are both set, and differ"},
	{"Sessions", SecretsNumbered, Warning, "AUTH_SECRET_1 to _3 are set, and ignored"},
	{"Sessions", SessionSalt, Warning, "a salt is set, and the scheme is not authjs; fatal with nextauth"},
	{"Sessions", SessionInvalid, Fatal, "another variable of the session's is not valid"},
	{"Sessions", CookieScheme, Warning, "the application is https and only cookies without `__Secure-` are read, or the other way round"},
	{"Sessions", CookieNamesBoth, Note, "without AUTH_URL cookies without `__Secure-` are read too"},

	{"Browsers", OriginInvalid, Fatal, "an origin has a path, a pattern or a user, or is not http(s)"},
	{"Browsers", OriginsNone, Warning, "no origin may connect, but for same-origin requests"},
	{"Browsers", CookieHost, Note, "orgcast is reached at another host than the application, whose cookie is not sent there"},

	{"Rules", RulesInvalid, Fatal, "the rule file can't be read or is not valid"},
	{"Rules", SensitiveColumn, Warning, "a column that looks like a secret is sent, by `sensitive: true`"},
	{"Rules", TenantUnmapped, Note, "a table has an organization's column and is in no rule"},

	{"Disk", DataDirUnusable, Fatal, "the data directory can't be made, read or written"},
	{"Disk", DataDirMissing, Note, "the data directory is not there yet"},
	{"Disk", DataDirOpen, Warning, "group or others may look into the data directory"},
	{"Disk", DiskFull, Fatal, "less than 256 MiB are free"},
	{"Disk", DiskShort, Warning, "the log can't grow to ORGCAST_LOG_BYTES"},
	{"Disk", LogLocked, Note, "another process has the event log; it is not looked into"},
	{"Disk", LogForeign, Fatal, "the log's directory holds something else, or the log of a newer program"},
	{"Disk", LogDamaged, Warning, "the event log can't be read; serve begins anew"},
	{"Disk", LogOfAnother, Warning, "the event log is of another cluster, database or slot; serve begins anew"},
	{"Disk", LogDiscontinued, Warning, "the event log can't be continued from the slot; serve begins anew"},

	{"Publishing", SealSecretUnusable, Fatal, "the seal secret is malformed, not there, or not this user's alone"},
	{"Publishing", APIKeysUnreadable, Warning, "the file of API keys is damaged, or others may alter it: publishing is answered with 503"},

	{"Database connection", DatabaseURLMissing, Fatal, "no database is set"},
	{"Database connection", DatabaseURLInvalid, Fatal, "the database's address can't be read"},
	{"Database connection", DatabasePrisma, Fatal, "the address is Prisma's own service's (prisma://)"},
	{"Database connection", DatabasePooler, Fatal, "the address is a pooler's, which does not replicate"},
	{"Database connection", DatabasePlaintext, Warning, "the database is remote and reached without TLS"},
	{"Database connection", ParametersLeftOut, Note, "the address has parameters that only Prisma understands"},
	{"Database connection", DatabaseUnreachable, Fatal, "nobody answers there"},
	{"Database connection", DatabaseTLS, Fatal, "TLS is refused, or the certificate is not to be trusted"},
	{"Database connection", DatabasePassword, Fatal, "user or password is wrong"},
	{"Database connection", DatabaseRefused, Fatal, "pg_hba.conf has no line for the connection"},
	{"Database connection", DatabaseMissing, Fatal, "there is no database of that name"},
	{"Database connection", DatabaseFull, Fatal, "the server, or the role, has no connection left"},

	{"Database server", Code(setup.ServerTooOld), Fatal, "PostgreSQL is older than 14"},
	{"Database server", Code(setup.ServerIsStandby), Fatal, "the server is a standby"},
	{"Database server", Code(setup.WALLevel), Fatal, "wal_level is not logical"},
	{"Database server", CommitAsync, Warning, "synchronous_commit is off for the server, a database or a role: events come 160 to 420 ms late"},
	{"Database server", CommitWaits, Warning, "synchronous_standby_names is set, and ORGCAST_DISPATCH is not visible: a refetch may be too early"},
	{"Database server", DispatchIdle, Note, "ORGCAST_DISPATCH is visible, and synchronous_standby_names is empty"},
	{"Database server", OwnStandby, Warning, "synchronous_standby_names takes orgcast for a standby; fatal with ORGCAST_DISPATCH=visible"},
	{"Database server", ClockSkew, Warning, "the database's clock and this machine's are more than 2 s apart"},
	{"Database server", TransactionLong, Warning, "a transaction that has written is open for more than 60 s; fatal while there is no slot"},
	{"Database server", TransactionPrepared, Warning, "the same of a prepared transaction"},
	{"Database server", TransactionsHidden, Note, "the role may not see how old others' transactions are"},

	{"Replication", WALKeepUnlimited, Warning, "max_slot_wal_keep_size is -1"},
	{"Replication", WALKeepSmall, Warning, "max_slot_wal_keep_size is less than 256 MiB"},
	{"Replication", WALSenderTimeout, Note, "wal_sender_timeout is 0"},
	{"Replication", WALSendersFew, Note, "one walsender is free"},
	{"Replication", WALSendersExhausted, Fatal, "no walsender is free"},
	{"Replication", ReplicationRefused, Fatal, "a replication connection is refused for another reason"},
	{"Replication", Code(setup.SlotsExhausted), Fatal, "the slot is missing, and no other can be made"},
	{"Replication", Code(setup.SlotForeign), Fatal, "the slot is another database's or plugin's"},
	{"Replication", Code(setup.SlotOlder), Warning, "the slot looks older than the publication: a row that was written between stops serve for ever"},
	{"Replication", SlotIdleTimeout, Warning, "idle_replication_slot_timeout is set (PostgreSQL 18)"},
	{"Replication", SlotLost, Warning, "the slot was invalidated; serve begins anew"},
	{"Replication", SlotRetains, Warning, "the slot keeps more than 1 GiB of WAL, or more than half of what it may"},
	{"Replication", SlotActive, Note, "an orgcast reads the slot"},
	{"Replication", SlotTaken, Fatal, "another program reads the slot"},
	{"Replication", SlotWithoutLog, Note, "the slot exists, and the event log is empty; serve begins anew"},
	{"Replication", FailoverNone, Note, "the address names several servers, and PostgreSQL is older than 17: a failover is a new epoch"},
	{"Replication", FailoverOff, Warning, "there are standbys, and ORGCAST_SLOT_FAILOVER is false: a failover is a new epoch"},
	{"Replication", FailoverUnheld, Warning, "there are standbys, and synchronized_standby_slots is empty: orgcast may be ahead of a promoted one"},
	{"Replication", FailoverBlocked, Fatal, "synchronized_standby_slots names a standby that is away: nothing is sent"},

	{"Publication and tables", Code(setup.PublicationMissing), Fatal, "there is no publication"},
	{"Publication and tables", Code(setup.PublicationAllTables), Warning, "the publication is FOR ALL TABLES or for a schema's"},
	{"Publication and tables", Code(setup.PublicationOptions), Fatal, "an operation is not published, or partitions go under their own names"},
	{"Publication and tables", Code(setup.TableMissing), Fatal, "a table of the rules is not in the database"},
	{"Publication and tables", Code(setup.TableKind), Fatal, "it is a view, a foreign, an UNLOGGED or a temporary table"},
	{"Publication and tables", Code(setup.ColumnMissing), Fatal, "a column of the rules is not in the table"},
	{"Publication and tables", Code(setup.ColumnGenerated), Fatal, "the column is generated, and not in the WAL"},
	{"Publication and tables", Code(setup.TableNotPublished), Fatal, "a table of the rules is not in the publication"},
	{"Publication and tables", Code(setup.TableUnmapped), Warning, "a table is in the publication and in no rule"},
	{"Publication and tables", Code(setup.IdentityNotFull), Fatal, "a replica identity is not FULL"},
	{"Publication and tables", Code(setup.IdentityMissing), Fatal, "a published table has no replica identity: the application's UPDATE and DELETE fail now"},
	{"Publication and tables", Code(setup.ColumnList), Fatal, "a publication has a column list on a table of the rules"},
	{"Publication and tables", Code(setup.RowFilter), Fatal, "the publication has a row filter on a table of the rules"},
	{"Publication and tables", Code(setup.RowSecurity), Fatal, "a table of the rules has row-level security, and its rule lacks tenant_only"},

	{"Role", Code(setup.ReadDenied), Fatal, "the role may not read a table of the snapshot"},
	{"Role", Code(setup.ReadRowSecurity), Fatal, "row-level security hides rows of the snapshot from the role"},
	{"Role", Code(setup.RoleSuperuser), Warning, "the role is a superuser"},
	{"Role", Code(setup.RoleOwner), Warning, "the role owns tables of the rules: it is likely the application's"},
	{"Role", Code(setup.RoleShared), Warning, "the role is a member of the tables' owner"},
	{"Role", Code(setup.RoleBypassRLS), Warning, "the role has BYPASSRLS, which nothing needs"},
	{"Role", Code(setup.RoleNoReplication), Fatal, "the role lacks REPLICATION"},

	{"Proxy (`--url`)", ProxyUnreachable, Fatal, "the address does not answer"},
	{"Proxy (`--url`)", ProxyNoUpstream, Fatal, "the proxy answers, and has no orgcast behind it"},
	{"Proxy (`--url`)", ProxyNotReady, Fatal, "orgcast answers that it is not ready"},
	{"Proxy (`--url`)", ProxyNotOrgcast, Fatal, "something else answers: the application"},
	{"Proxy (`--url`)", ProxyRedirects, Fatal, "the application redirects to its sign-in page"},
	{"Proxy (`--url`)", ProxyCompresses, Fatal, "the answer is compressed on the way"},
	{"Proxy (`--url`)", ProxyHeaders, Warning, "Cache-Control does not come through"},
	{"Proxy (a serving orgcast is asked)", ProxyUntrusted, Note, "requests come through a proxy that is not in ORGCAST_TRUSTED_PROXIES; a warning if others are"},

	{"Doctor", CheckFailed, Warning, "a check could not be made to its end"},
}

var catalog = func() map[Code]entry {
	m := map[Code]entry{}
	for _, e := range entries {
		m[e.code] = e
	}
	return m
}()
