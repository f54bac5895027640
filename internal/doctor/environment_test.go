package doctor

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	long  = "canary-secret-0815-0815-0815-0815-0816"
	short = "canary-secret"
)

func TestWhatIsWrongWithTheEnvironmentIsNamed(t *testing.T) {
	rules := func(text string) string {
		name := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const valid = "version: 1\norganizations: {table: organizations, id: id, name: name}\n" +
		"membership: {table: organization_members, id: id, user: userId, organization: organizationId, role: role}\n"
	sensitive := rules(valid + "tables: {notes: {event: data.sync, entity: note, tenant: [organizationId], columns: [id, {column: apiKey, sensitive: true}]}}\n")
	for name, c := range map[string]struct {
		set      map[string]string // "" unsets
		want     Code
		severity Severity
		text     string
	}{
		"no database":              {nil, DatabaseURLMissing, Fatal, "ORGCAST_DATABASE_URL"},
		"an address in quotes":     {map[string]string{"DATABASE_URL": `"postgresql://a:canary-password-4711@h/d"`}, DatabaseURLInvalid, Fatal, "quotes"},
		"Prisma's service":         {map[string]string{"DATABASE_URL": "prisma://accelerate.prisma-data.net/?api_key=canary-password-4711"}, DatabasePrisma, Fatal, "DATABASE_URL"},
		"Prisma Postgres":          {map[string]string{"DIRECT_URL": "prisma+postgres://accelerate.prisma-data.net/?api_key=canary-password-4711"}, DatabasePrisma, Fatal, "postgresql://"},
		"Neon's pooler":            {map[string]string{"DATABASE_URL": "postgresql://a:canary-password-4711@ep-x-pooler.eu.aws.neon.tech/d"}, DatabasePooler, Fatal, "without -pooler"},
		"PgBouncer":                {map[string]string{"ORGCAST_DATABASE_URL": "postgresql://a:canary-password-4711@db/d?pgbouncer=true"}, DatabasePooler, Fatal, "PgBouncer"},
		"misspelt variable":        {map[string]string{"ORGCAST_LISTN": "x"}, VariableUnknown, Fatal, "ORGCAST_LISTEN"},
		"no duration":              {map[string]string{"ORGCAST_LEASE": "soon"}, ConfigurationInvalid, Fatal, "ORGCAST_LEASE"},
		"operator's listener open": {map[string]string{"ORGCAST_ADMIN_LISTEN": "0.0.0.0:4051", "ORGCAST_ADMIN_TOKEN": ""}, AdminOpen, Fatal, "ORGCAST_ADMIN_TOKEN"},
		"operator's token short":   {map[string]string{"ORGCAST_ADMIN_LISTEN": "0.0.0.0:4051", "ORGCAST_ADMIN_TOKEN": "canary"}, ConfigurationInvalid, Fatal, "ORGCAST_ADMIN_TOKEN"},
		"development in public":    {map[string]string{"NODE_ENV": "development", "ORGCAST_LISTEN": "0.0.0.0:4050"}, DevelopmentPublic, Fatal, "127.0.0.1"},
		"origin with a path":       {map[string]string{"ORGCAST_ORIGINS": "https://app.example.com/app"}, OriginInvalid, Fatal, "ORGCAST_ORIGINS"},
		"no origin":                {map[string]string{"NEXT_PUBLIC_APP_URL": ""}, OriginsNone, Warning, "NEXT_PUBLIC_APP_URL"},

		"no secret":                    {map[string]string{"AUTH_SECRET": ""}, SecretMissing, Fatal, "AUTH_SECRET"},
		"only numbered secrets":        {map[string]string{"AUTH_SECRET": "", "AUTH_SECRET_1": long}, SecretMissing, Fatal, "ORGCAST_AUTH_SECRETS"},
		"short secret":                 {map[string]string{"AUTH_SECRET": short}, SecretShort, Warning, "32 bytes"},
		"secret with a line's end":     {map[string]string{"AUTH_SECRET": canarySecret + "\n"}, SecretSpaced, Warning, "white space"},
		"two secrets":                  {map[string]string{"NEXTAUTH_SECRET": long}, SecretsDiffer, Warning, "NEXTAUTH_SECRET"},
		"numbered secrets":             {map[string]string{"AUTH_SECRET_1": long, "AUTH_SECRET_2": long}, SecretsNumbered, Warning, "AUTH_SECRET_1, AUTH_SECRET_2"},
		"salt with auto":               {map[string]string{"ORGCAST_SESSION_SALT": "x"}, SessionSalt, Warning, "ORGCAST_SESSION=authjs"},
		"salt with nextauth":           {map[string]string{"ORGCAST_SESSION_SALT": "x", "ORGCAST_SESSION": "nextauth"}, SessionSalt, Fatal, "ORGCAST_SESSION_SALT"},
		"unknown scheme":               {map[string]string{"ORGCAST_SESSION": "clerk"}, SessionInvalid, Fatal, "ORGCAST_SESSION"},
		"a salt for the database":      {map[string]string{"ORGCAST_SESSION": "authjs-database", "ORGCAST_SESSION_SALT": "s"}, SessionInvalid, Fatal, "ORGCAST_SESSION_SALT"},
		"https read as http":           {map[string]string{"AUTH_URL": "http://localhost:3000"}, CookieScheme, Warning, "AUTH_URL"},
		"http read as https":           {map[string]string{"AUTH_URL": "", "NEXTAUTH_URL": "https://app.example.com", "NEXT_PUBLIC_APP_URL": "http://localhost:3000"}, CookieScheme, Warning, "NEXTAUTH_URL"},
		"no address of the app's":      {map[string]string{"AUTH_URL": ""}, CookieNamesBoth, Note, "AUTH_URL"},
		"app on another host":          {map[string]string{"ORGCAST_LISTEN": "rt.example.com:4050"}, CookieHost, Note, "app.example.com"},
		"localhost is not 127.0.0.1":   {map[string]string{"NEXT_PUBLIC_APP_URL": "http://localhost:3000", "AUTH_URL": "http://localhost:3000"}, CookieHost, Note, "localhost"},
		"no such rules":                {map[string]string{"ORGCAST_RULES": "preset:none"}, RulesInvalid, Fatal, "oikion"},
		"no rule file":                 {map[string]string{"ORGCAST_RULES": "/nowhere/rules.yaml"}, RulesInvalid, Fatal, "ORGCAST_RULES"},
		"no table of sessions":         {map[string]string{"ORGCAST_SESSION": "authjs-database", "AUTH_SECRET": "", "ORGCAST_RULES": rules(valid + "tables: {}\n")}, RulesInvalid, Fatal, "no table of sessions"},
		"secret column in the rules":   {map[string]string{"ORGCAST_RULES": rules(strings.ReplaceAll(valid, "name: name", "name: password") + "tables: {}\n")}, RulesInvalid, Fatal, "password"},
		"a sensitive column is let go": {map[string]string{"ORGCAST_RULES": sensitive}, SensitiveColumn, Warning, "apiKey"},
	} {
		t.Run(name, func(t *testing.T) {
			env := offline(t)
			maps.Copy(env, c.set)
			r := examine(t, Options{Environ: env})
			want(t, r.Findings, c.want, c.severity, "", c.text)
			if r.Sound(false) || r.Sound(true) {
				t.Error("sound, and there is no database")
			}
		})
	}
}

// One refused variable must not hide what is wrong elsewhere, nor make other
// things look wrong.
func TestARefusedVariableHidesNothingElse(t *testing.T) {
	env := offline(t)
	maps.Copy(env, map[string]string{
		"ORGCAST_LEASE": "soon", "ORGCAST_LISTN": "x", "ORGCAST_ORIGINS": "https://*.example.com", "NEXT_PUBLIC_APP_URL": "",
		"DATABASE_URL": "prisma://accelerate.prisma-data.net/?api_key=" + canaryPassword, "ORGCAST_ADMIN_TOKEN": "short", "ORGCAST_ADMIN_LISTEN": "0.0.0.0:1",
		"AUTH_SECRET": short, "ORGCAST_RULES": "preset:none", "ORGCAST_DATA_DIR": env["ORGCAST_DATA_DIR"] + "/new",
	})
	r := examine(t, Options{Environ: env})
	got := map[Code]int{}
	for _, f := range r.Findings {
		got[f.Code]++
	}
	wanted := map[Code]int{ConfigurationInvalid: 2, VariableUnknown: 1, OriginInvalid: 1, DatabasePrisma: 1, SecretShort: 1, RulesInvalid: 1, DataDirMissing: 1}
	if !maps.Equal(got, wanted) {
		t.Errorf("found %v, want %v", got, wanted)
	}
	if len(r.Skipped) == 0 {
		t.Error("nothing is said of the database, which was not looked at")
	}
}

func TestTheSchemeAndTheCookieNamesAreSaid(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		want string
	}{
		"auto, https":   {nil, "scheme auto; reads __Secure-authjs.session-token (Auth.js v5), then __Secure-next-auth.session-token (NextAuth v4)"},
		"nextauth":      {map[string]string{"ORGCAST_SESSION": "nextauth"}, "scheme nextauth; reads __Secure-next-auth.session-token (NextAuth v4)"},
		"authjs, http":  {map[string]string{"ORGCAST_SESSION": "authjs", "AUTH_URL": "http://localhost"}, "scheme authjs; reads authjs.session-token (Auth.js v5)"},
		"database":      {map[string]string{"ORGCAST_SESSION": "authjs-database", "AUTH_SECRET": ""}, "scheme authjs-database; reads __Secure-authjs.session-token (Auth.js v5), then __Secure-next-auth.session-token (NextAuth v4)"},
		"database, own": {map[string]string{"ORGCAST_SESSION": "authjs-database", "ORGCAST_SESSION_COOKIE": "sid"}, "scheme authjs-database; reads sid"},
		"name of one's": {map[string]string{"ORGCAST_SESSION_COOKIE": "sid"}, "scheme auto; reads sid, as Auth.js v5 or NextAuth v4 by the token's header"},
	} {
		env := offline(t)
		maps.Copy(env, c.set)
		if good := strings.Join(examine(t, Options{Environ: env}).Good, "\n"); !strings.Contains(good, "sessions: "+c.want+"\n") {
			t.Errorf("%s: %s", name, good)
		}
	}
}

func TestAPlainConnectionToARemoteDatabaseIsSaid(t *testing.T) {
	env := offline(t)
	env["ORGCAST_DATABASE_URL"] = "postgresql://a:" + canaryPassword + "@db.example.test/d?sslmode=disable&connection_limit=5"
	s := &Scene{Options: Options{Environ: env}, report: &Report{}, refused: map[string]bool{}}
	out := configuration(t.Context(), s)
	want(t, out, DatabasePlaintext, Warning, "", "TLS")
	want(t, out, ParametersLeftOut, Note, "", "connection_limit")
}
