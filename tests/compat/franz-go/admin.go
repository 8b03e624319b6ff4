package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func offsetsAdmin(r *Run) {
	topic, group := r.topic("offsets-admin", 2), r.prefix+"-offsets-admin"
	admin := r.admin
	m := r.join(group, topic)
	r.waitShared(2, []int{2}, m)
	described := must(admin.DescribeGroups(r.ctx, group))[group]
	check(described.Err)
	expect(described.State == "Stable", "state %q", described.State)
	expect(described.ProtocolType == "consumer", "protocol type %q", described.ProtocolType)
	expect(len(described.Members) == 1, "%d members", len(described.Members))
	assigned := described.AssignedPartitions()
	expect(assigned.Lookup(topic, 0) && assigned.Lookup(topic, 1), "assigned %v", assigned)
	deleted := must(admin.DeleteGroups(r.ctx, group))
	expectError(deleted[group].Err, kerr.NonEmptyGroup)
	m.client.Close()

	r.waitUntil("an empty group", func() bool {
		return must(admin.DescribeGroups(r.ctx, group))[group].State == "Empty"
	})
	listed := must(admin.ListGroups(r.ctx))
	expect(listed[group].Group == group, "the group is not listed")
	expect(listed[group].State == "Empty", "listed as %q", listed[group].State)

	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 5, -1)
	offsets.AddOffset(topic, 1, 6, -1)
	check(admin.CommitAllOffsets(r.ctx, group, offsets))
	r.expectCommitted(group, topic, map[int32]int64{0: 5, 1: 6})
	var first kadm.TopicsSet
	first.Add(topic, 0)
	check(must(admin.DeleteOffsets(r.ctx, group, first)).Error())
	r.expectCommitted(group, topic, map[int32]int64{1: 6})

	check(must(admin.DeleteGroups(r.ctx, group))[group].Err)
	expect(must(admin.ListGroups(r.ctx))[group].Group == "", "the group is still listed")
	r.expectCommitted(group, topic, nil)
}

func (r *Run) expectCommitted(group, topic string, want map[int32]int64) {
	got := make(map[int32]int64)
	must(r.admin.FetchOffsets(r.ctx, group)).Each(func(o kadm.OffsetResponse) {
		check(o.Err)
		got[o.Partition] = o.At
	})
	expect(fmt.Sprint(got) == fmt.Sprint(want), "committed is %v instead of %v", got, want)
}

func createTopic(r *Run) {
	configs := map[string]*string{"retention.ms": kadm.StringPtr("1234567")}
	topic := r.topicWith("created", 3, configs)
	detail := must(r.admin.ListTopics(r.ctx, topic))[topic]
	check(detail.Err)
	expect(len(detail.Partitions) == 3, "%d partitions", len(detail.Partitions))
	for _, partition := range detail.Partitions {
		check(partition.Err)
		expect(len(partition.ISR) == 1, "in sync: %v", partition.ISR)
	}
	r.expectTopicConfig(topic, "retention.ms", "1234567", kmsg.ConfigSourceDynamicTopicConfig)
}

func createPartitions(r *Run) {
	admin, topic := r.admin, r.topic("grown", 2)
	check(must(admin.UpdatePartitions(r.ctx, 5, topic)).Error())
	r.waitUntil("5 partitions", func() bool {
		return len(must(admin.ListTopics(r.ctx, topic))[topic].Partitions) == 5
	})
	sent := records(topic, 5, 0, 50)
	r.produce(sent)
	expectSame(r.readAll(topic, 5, 50), sent)
}

func deleteTopic(r *Run) {
	admin, topic := r.admin, r.topic("deleted", 2)
	r.produce(records(topic, 2, 0, 10))
	check(must(admin.DeleteTopics(r.ctx, topic)).Error())
	r.waitUntil("a topic that is gone", func() bool {
		return !must(admin.ListTopics(r.ctx)).Has(topic)
	})
	again := must(admin.DeleteTopics(r.ctx, topic))
	expectError(again[topic].Err, kerr.UnknownTopicOrPartition)
}

func deleteRecords(r *Run) {
	admin, topic := r.admin, r.topic("trimmed", 1)
	sent := records(topic, 1, 0, 10)
	r.produce(sent)
	var before kadm.Offsets
	before.AddOffset(topic, 0, 5, -1)
	deleted := must(admin.DeleteRecords(r.ctx, before))[topic][0]
	check(deleted.Err)
	expect(deleted.LowWatermark == 5, "low watermark %d", deleted.LowWatermark)

	r.expectListed(must(admin.ListStartOffsets(r.ctx, topic)), topic, 5)
	got := r.readAll(topic, 1, 5)
	expect(got[0].Offset == 5, "the first record has offset %d", got[0].Offset)
	for i, record := range got {
		expectContent(record, sent[5+i])
	}
	before.AddOffset(topic, 0, 11, -1)
	refused := must(admin.DeleteRecords(r.ctx, before))[topic][0]
	expectError(refused.Err, kerr.OffsetOutOfRange)
}

func (r *Run) topicConfig(topic, key string) kadm.Config {
	described := must(must(r.admin.DescribeTopicConfigs(r.ctx, topic)).On(topic, nil))
	check(described.Err)
	return configOf(described, key)
}

func configOf(described kadm.ResourceConfig, key string) kadm.Config {
	for _, config := range described.Configs {
		if config.Key == key {
			return config
		}
	}
	fail("%s has no %s", described.Name, key)
	panic("not reached")
}

func (r *Run) expectTopicConfig(topic, key, value string, source kmsg.ConfigSource) {
	// What was altered takes a moment to be described.
	r.waitUntil(fmt.Sprintf("%s is %q from %v", key, value, source), func() bool {
		got := r.topicConfig(topic, key)
		return got.MaybeValue() == value && got.Source == source
	})
}

func describeConfigs(r *Run) {
	topic := r.topic("described", 1)
	r.expectTopicConfig(topic, "cleanup.policy", "delete", kmsg.ConfigSourceDefaultConfig)
	r.expectTopicConfig(topic, "compression.type", "producer", kmsg.ConfigSourceDefaultConfig)
	synonyms := r.topicConfig(topic, "max.message.bytes").Synonyms
	expect(len(synonyms) == 1 && synonyms[0].Key == "message.max.bytes", "synonyms %v", synonyms)

	admin := r.admin
	broker := must(admin.ListBrokers(r.ctx))[0].NodeID
	described := must(admin.DescribeBrokerConfigs(r.ctx, broker))
	expect(len(described) == 1, "%d brokers described", len(described))
	check(described[0].Err)
	size := configOf(described[0], "message.max.bytes")
	expect(size.MaybeValue() == "1048588", "message.max.bytes is %q", size.MaybeValue())
}

// AlterConfigs replaces all that was set.
func alterConfigs(r *Run) {
	configs := map[string]*string{"retention.ms": kadm.StringPtr("1234567")}
	admin, topic := r.admin, r.topicWith("altered", 1, configs)
	bytes := kadm.AlterConfig{Name: "retention.bytes", Value: kadm.StringPtr("7654321")}
	altered := must(admin.AlterTopicConfigsState(r.ctx, []kadm.AlterConfig{bytes}, topic))
	check(altered[0].Err)
	r.expectTopicConfig(topic, "retention.bytes", "7654321", kmsg.ConfigSourceDynamicTopicConfig)
	r.expectTopicConfig(topic, "retention.ms", "604800000", kmsg.ConfigSourceDefaultConfig)

	bad := kadm.AlterConfig{Name: "retention.ms", Value: kadm.StringPtr("soon")}
	altered = must(admin.AlterTopicConfigsState(r.ctx, []kadm.AlterConfig{bad}, topic))
	expectError(altered[0].Err, kerr.InvalidConfig)
}

// IncrementalAlterConfigs changes what it names and leaves the rest.
func incrementalAlterConfigs(r *Run) {
	topic := r.topic("incremental", 1)
	alter := func(op kadm.IncrementalOp, name, value string) error {
		config := kadm.AlterConfig{Op: op, Name: name, Value: kadm.StringPtr(value)}
		if op == kadm.DeleteConfig {
			config.Value = nil
		}
		altered := must(r.admin.AlterTopicConfigs(r.ctx, []kadm.AlterConfig{config}, topic))
		return altered[0].Err
	}
	dynamic := kmsg.ConfigSourceDynamicTopicConfig
	check(alter(kadm.SetConfig, "retention.ms", "1234567"))
	check(alter(kadm.AppendConfig, "cleanup.policy", "compact"))
	r.expectTopicConfig(topic, "retention.ms", "1234567", dynamic)
	r.expectTopicConfig(topic, "cleanup.policy", "delete,compact", dynamic)
	check(alter(kadm.SubtractConfig, "cleanup.policy", "delete"))
	r.expectTopicConfig(topic, "cleanup.policy", "compact", dynamic)
	check(alter(kadm.DeleteConfig, "retention.ms", ""))
	r.expectTopicConfig(topic, "retention.ms", "604800000", kmsg.ConfigSourceDefaultConfig)

	expectError(alter(kadm.SetConfig, "retention.ms", "soon"), kerr.InvalidConfig)
	expectError(alter(kadm.SetConfig, "no.such.key", "1"), kerr.InvalidConfig)
}

func listOffsets(r *Run) {
	admin, topic := r.admin, r.topic("listed", 1)
	r.expectListed(must(admin.ListEndOffsets(r.ctx, topic)), topic, 0)
	r.produce(records(topic, 1, 0, 100))
	r.expectListed(must(admin.ListStartOffsets(r.ctx, topic)), topic, 0)
	r.expectListed(must(admin.ListEndOffsets(r.ctx, topic)), topic, 100)
	r.expectListed(must(admin.ListOffsetsAfterMilli(r.ctx, start+40, topic)), topic, 40)
	r.expectListed(must(admin.ListMaxTimestampOffsets(r.ctx, topic)), topic, 99)

	unknown := must(admin.ListEndOffsets(r.ctx, topic+"-not"))
	expectError(unknown.Error(), kerr.UnknownTopicOrPartition)
}

func (r *Run) expectListed(listed kadm.ListedOffsets, topic string, want int64) {
	check(listed.Error())
	got, found := listed.Lookup(topic, 0)
	expect(found && got.Offset == want, "listed %+v instead of %d", got, want)
}

func describeCluster(r *Run) {
	cluster := must(r.admin.BrokerMetadata(r.ctx))
	expect(cluster.Cluster != "", "no cluster id")
	expect(len(cluster.Brokers) == 1, "%d brokers", len(cluster.Brokers))
	broker := cluster.Brokers[0]
	expect(cluster.Controller == broker.NodeID, "controller %d", cluster.Controller)
	address := fmt.Sprintf("%s:%d", broker.Host, broker.Port)
	expect(address == r.bootstrap, "the broker is at %s", address)

	described := kmsg.NewPtrDescribeClusterRequest()
	answer := must(described.RequestWith(r.ctx, r.client()))
	check(kerr.ErrorForCode(answer.ErrorCode))
	expect(answer.ClusterID == cluster.Cluster, "cluster id %q", answer.ClusterID)
	expect(len(answer.Brokers) == 1, "%d brokers", len(answer.Brokers))
}
