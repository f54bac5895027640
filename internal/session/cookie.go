package session

import (
	"net/url"
	"strings"
)

const (
	// maxHeader bounds the Cookie header lines together, in bytes. Node refuses
	// all headers above 16 KiB, so the application never sees more than that.
	maxHeader = 64 << 10
	// maxToken bounds a token after its chunks are joined, in bytes.
	maxToken = 32 << 10
	// maxChunks bounds its chunks: nine of the usual size make 32 KiB.
	maxChunks = 16
)

// jar is one session cookie as found in the request: whole, or in chunks.
type jar struct {
	whole  string
	chunks [maxChunks]string
	// seen tells a cookie that was empty from one that was not there: the first
	// of several of the same name wins, also if it is empty, as in Auth.js.
	seenWhole bool
	seen      [maxChunks]bool
	// tooMany is set by a chunk whose number is 16 or above.
	tooMany bool
}

// findToken looks for the names in their order, and returns the token of the
// first one that is there, and its place among the names. A token that is there
// but bad is not passed over for one of another name.
//
// The lines are read by hand because net/http drops a cookie that it dislikes,
// and with it a chunk.
func findToken(lines []string, names []string) (token string, which int, reason Reason) {
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if size > maxHeader {
		return "", 0, Oversize
	}
	for i, name := range names {
		var j jar
		for _, line := range lines {
			j.read(line, name)
		}
		if token, reason := j.token(); reason != Absent {
			return token, i, reason
		}
	}
	return "", 0, Absent
}

// read takes the cookies called name or name.<number> out of one header line.
func (j *jar) read(line, name string) {
	for pair := range strings.SplitSeq(line, ";") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		suffix, ok := strings.CutPrefix(strings.Trim(key, " \t"), name)
		if !ok {
			continue
		}
		value = strings.Trim(value, " \t")
		if suffix == "" {
			if !j.seenWhole {
				j.seenWhole, j.whole = true, value
			}
			continue
		}
		if suffix[0] != '.' {
			continue
		}
		i, ok := chunkIndex(suffix[1:])
		switch {
		case !ok:
		case i >= maxChunks:
			j.tooMany = j.tooMany || value != ""
		case !j.seen[i]:
			j.seen[i], j.chunks[i] = true, value
		}
	}
}

// token joins what was found. The size is checked before anything is copied.
func (j *jar) token() (string, Reason) {
	last, size := -1, len(j.whole)
	for i, chunk := range j.chunks {
		if chunk != "" {
			last, size = i, size+len(chunk)
		}
	}
	switch {
	case j.whole == "" && last < 0 && !j.tooMany:
		return "", Absent
	case j.tooMany, j.whole != "" && last >= 0:
		return "", BadChunks
	case j.whole != "":
		return decodeValue(j.whole)
	}
	var b strings.Builder
	for _, chunk := range j.chunks[:last+1] {
		if chunk == "" {
			return "", BadChunks
		}
		value, reason := decodeValue(chunk)
		if reason != "" {
			return "", reason
		}
		if b.Len()+len(value) > maxToken {
			return "", Oversize
		}
		if b.Len() == 0 {
			b.Grow(min(size, maxToken))
		}
		b.WriteString(value)
	}
	return b.String(), ""
}

// decodeValue undoes percent-encoding, which net/http would leave in. It is not
// a query: a plus stays a plus.
func decodeValue(raw string) (string, Reason) {
	if strings.IndexByte(raw, '%') < 0 {
		// As nearly always; much faster than to look at each letter.
		if len(raw) > maxToken {
			return "", Oversize
		}
		return raw, ""
	}
	value, err := url.PathUnescape(raw)
	switch {
	case err != nil:
		return "", Malformed
	case len(value) > maxToken:
		return "", Oversize
	}
	return value, ""
}

// chunkIndex reads a number without sign or leading zero. One that is too long
// to be a chunk's is still a number: maxChunks stands for it.
func chunkIndex(digits string) (int, bool) {
	if digits == "" || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	n := 0
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(digits[i]-'0'), maxChunks)
	}
	return n, true
}
