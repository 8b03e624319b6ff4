// One case of the compatibility suite, done with franz-go.
//
//	usage: compat BOOTSTRAP PREFIX CASE
//
// It exits with 0 when the case passes and with 1 when not, with the reason on stderr. Every topic
// and group begins with PREFIX. The cases are in produce.go, consume.go, groups.go, offsets.go,
// admin.go and errors.go; what they share is in run.go.
package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

const deadline = 60 * time.Second

var cases = map[string]func(*Run){
	"produce-none":   func(r *Run) { r.produceAndReadBack("none") },
	"produce-gzip":   func(r *Run) { r.produceAndReadBack("gzip") },
	"produce-snappy": func(r *Run) { r.produceAndReadBack("snappy") },
	"produce-lz4":    func(r *Run) { r.produceAndReadBack("lz4") },
	"produce-zstd":   func(r *Run) { r.produceAndReadBack("zstd") },
	"acks-0":         acksNone,
	"acks-1":         acksLeader,
	"idempotent":     idempotent,
	"large-message":  largeMessage,

	"consume-from-beginning": consumeFromBeginning,
	"consume-from-timestamp": consumeFromTimestamp,
	"seek":                   seek,

	"group-one-member":    groupOneMember,
	"group-join-leave":    groupJoinLeave,
	"group-member-death":  groupMemberDeath,
	"group-cooperative":   groupCooperative,
	"group-static-member": groupStaticMember,
	"group-spare-member":  groupSpareMember,
	"commit-and-resume":   commitAndResume,
	"commit-metadata":     commitMetadata,
	"reset-earliest":      resetEarliest,
	"reset-latest":        resetLatest,
	memberProcess:         runMemberProcess,

	"offsets-admin":             offsetsAdmin,
	"create-topic":              createTopic,
	"create-partitions":         createPartitions,
	"delete-topic":              deleteTopic,
	"delete-records":            deleteRecords,
	"describe-configs":          describeConfigs,
	"alter-configs":             alterConfigs,
	"incremental-alter-configs": incrementalAlterConfigs,
	"list-offsets":              listOffsets,
	"describe-cluster":          describeCluster,

	"error-unknown-topic":       errorUnknownTopic,
	"error-too-large-record":    errorTooLargeRecord,
	"error-invalid-topic-name":  errorInvalidTopicName,
	"error-duplicate-topic":     errorDuplicateTopic,
	"error-bad-partition-count": errorBadPartitionCount,
	"error-unknown-group":       errorUnknownGroup,
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: compat BOOTSTRAP PREFIX CASE")
	}
	do, known := cases[os.Args[3]]
	if !known {
		fail("no such case: %s", os.Args[3])
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	run := newRun(ctx, os.Args[1], os.Args[2])
	// For what does not heed the context.
	time.AfterFunc(deadline, func() { fail("not done after %v", deadline) })

	defer run.close()
	do(run)
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
