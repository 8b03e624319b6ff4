package main

import (
	"fmt"

	"github.com/IBM/sarama"
)

func offsetsAdmin(r *Run) {
	topic, group := r.topic("offsets-admin", 2), r.prefix+"-offsets-admin"
	m := r.join(group, topic, groupConfig())
	r.waitShared(2, []int{2}, m)
	described := r.describeGroup(group)
	expect(described.State == "Stable", "state %q", described.State)
	expect(described.ProtocolType == "consumer", "protocol type %q", described.ProtocolType)
	expect(len(described.Members) == 1, "%d members", len(described.Members))
	for _, inGroup := range described.Members {
		assigned := must(inGroup.GetMemberAssignment()).Topics[topic]
		expect(len(assigned) == 2, "assigned %v", assigned)
	}
	expectError(r.admin.DeleteConsumerGroup(group), sarama.ErrNonEmptyGroup)
	check(m.group.Close())

	r.waitUntil("an empty group", func() bool { return r.describeGroup(group).State == "Empty" })
	listed := must(r.admin.ListConsumerGroups())
	expect(listed[group] == "consumer", "listed as %q", listed[group])

	check(r.commit(group, topic, 0, 5, ""))
	check(r.commit(group, topic, 1, 6, ""))
	r.expectCommitted(group, topic, 0, 5, "")
	check(r.admin.DeleteConsumerGroupOffset(group, topic, 0))
	r.expectCommitted(group, topic, 0, -1, "")
	r.expectCommitted(group, topic, 1, 6, "")

	check(r.admin.DeleteConsumerGroup(group))
	_, there := must(r.admin.ListConsumerGroups())[group]
	expect(!there, "the group is still listed")
}

func (r *Run) describeGroup(group string) *sarama.GroupDescription {
	described := must(r.admin.DescribeConsumerGroups([]string{group}))[0]
	expect(described.Err == sarama.ErrNoError, "%v", described.Err)
	return described
}

func text(value string) *string { return &value }

func createTopic(r *Run) {
	configs := map[string]*string{"retention.ms": text("1234567")}
	topic := r.topicWith("created", 3, configs)
	for _, partition := range must(r.admin.DescribeTopics([]string{topic}))[0].Partitions {
		expect(partition.Err == sarama.ErrNoError, "%v", partition.Err)
		expect(len(partition.Isr) == 1, "in sync: %v", partition.Isr)
	}
	listed := must(r.admin.ListTopics())[topic]
	expect(listed.NumPartitions == 3, "listed with %d partitions", listed.NumPartitions)
	r.expectTopicConfig(topic, "retention.ms", "1234567", sarama.SourceTopic)
}

func createPartitions(r *Run) {
	topic := r.topic("grown", 2)
	check(r.admin.CreatePartitions(topic, 5, nil, false))
	r.waitUntil("5 partitions", func() bool { return r.partitionCount(topic) == 5 })
	sent := records(topic, 5, 0, 50)
	r.produce(sent)
	expectSame(r.readAll(topic, 5, 50), sent)
}

func deleteTopic(r *Run) {
	topic := r.topic("deleted", 2)
	r.produce(records(topic, 2, 0, 10))
	check(r.admin.DeleteTopic(topic))
	r.waitUntil("a topic that is gone", func() bool {
		_, there := must(r.admin.ListTopics())[topic]
		return !there
	})
	expectError(r.admin.DeleteTopic(topic), sarama.ErrUnknownTopicOrPartition)
}

func deleteRecords(r *Run) {
	topic := r.topic("trimmed", 1)
	sent := records(topic, 1, 0, 10)
	r.produce(sent)
	check(r.admin.DeleteRecords(topic, map[int32]int64{0: 5}))
	r.expectListed(topic, sarama.OffsetOldest, 5)
	got := r.readAll(topic, 1, 5)
	expect(got[0].Offset == 5, "the first record has offset %d", got[0].Offset)
	for i, record := range got {
		expectContent(record, sent[5+i])
	}
	refused := r.admin.DeleteRecords(topic, map[int32]int64{0: 11})
	expectError(refused, sarama.ErrOffsetOutOfRange)
}

func (r *Run) config(kind sarama.ConfigResourceType, name, key string) sarama.ConfigEntry {
	resource := &sarama.ConfigResource{Type: kind, Name: name}
	options := sarama.DescribeConfigsOptions{IncludeSynonyms: true}
	described := must(r.admin.DescribeConfigs([]*sarama.ConfigResource{resource}, options))[0]
	expect(described.ErrorCode == sarama.ErrNoError, "%s: %v", name, described.ErrorCode)
	for _, entry := range described.Configs {
		if entry.Name == key {
			return entry
		}
	}
	fail("%s has no %s", name, key)
	panic("not reached")
}

func (r *Run) expectTopicConfig(topic, key, value string, source sarama.ConfigSource) {
	// What was altered takes a moment to be described.
	r.waitUntil(fmt.Sprintf("%s is %q from %v", key, value, source), func() bool {
		entry := r.config(sarama.TopicResource, topic, key)
		return entry.Value == value && entry.Source == source
	})
}

func describeConfigs(r *Run) {
	topic := r.topic("described", 1)
	r.expectTopicConfig(topic, "cleanup.policy", "delete", sarama.SourceDefault)
	r.expectTopicConfig(topic, "compression.type", "producer", sarama.SourceDefault)
	synonyms := r.config(sarama.TopicResource, topic, "max.message.bytes").Synonyms
	expect(len(synonyms) == 1, "%d synonyms", len(synonyms))
	expect(synonyms[0].ConfigName == "message.max.bytes", "synonym %s", synonyms[0].ConfigName)

	brokers, _, err := r.admin.DescribeCluster()
	check(err)
	id := fmt.Sprint(brokers[0].ID())
	size := r.config(sarama.BrokerResource, id, "message.max.bytes")
	expect(size.Value == "1048588", "message.max.bytes is %q", size.Value)
}

// AlterConfigs replaces all that was set.
func alterConfigs(r *Run) {
	configs := map[string]*string{"retention.ms": text("1234567")}
	topic := r.topicWith("altered", 1, configs)
	alter := func(key, value string) error {
		entries := map[string]*string{key: text(value)}
		return r.admin.AlterConfig(sarama.TopicResource, topic, entries, false)
	}
	check(alter("retention.bytes", "7654321"))
	r.expectTopicConfig(topic, "retention.bytes", "7654321", sarama.SourceTopic)
	r.expectTopicConfig(topic, "retention.ms", "604800000", sarama.SourceDefault)
	expectError(alter("retention.ms", "soon"), sarama.ErrInvalidConfig)
}

// IncrementalAlterConfigs changes what it names and leaves the rest.
func incrementalAlterConfigs(r *Run) {
	topic := r.topic("incremental", 1)
	alter := func(do sarama.IncrementalAlterConfigsOperation, key string, value *string) error {
		entries := map[string]sarama.IncrementalAlterConfigsEntry{
			key: {Operation: do, Value: value}}
		return r.admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false)
	}
	const (
		set       = sarama.IncrementalAlterConfigsOperationSet
		unset     = sarama.IncrementalAlterConfigsOperationDelete
		appending = sarama.IncrementalAlterConfigsOperationAppend
		subtract  = sarama.IncrementalAlterConfigsOperationSubtract
	)
	check(alter(set, "retention.ms", text("1234567")))
	check(alter(appending, "cleanup.policy", text("compact")))
	r.expectTopicConfig(topic, "retention.ms", "1234567", sarama.SourceTopic)
	r.expectTopicConfig(topic, "cleanup.policy", "delete,compact", sarama.SourceTopic)
	check(alter(subtract, "cleanup.policy", text("delete")))
	r.expectTopicConfig(topic, "cleanup.policy", "compact", sarama.SourceTopic)
	check(alter(unset, "retention.ms", nil))
	r.expectTopicConfig(topic, "retention.ms", "604800000", sarama.SourceDefault)

	expectError(alter(set, "retention.ms", text("soon")), sarama.ErrInvalidConfig)
	expectError(alter(set, "no.such.key", text("1")), sarama.ErrInvalidConfig)
}

func listOffsets(r *Run) {
	topic := r.topic("listed", 1)
	r.expectListed(topic, sarama.OffsetNewest, 0)
	r.produce(records(topic, 1, 0, 100))
	r.expectListed(topic, sarama.OffsetOldest, 0)
	r.expectListed(topic, sarama.OffsetNewest, 100)
	r.expectListed(topic, start+40, 40)
	// No record is that young.
	r.expectListed(topic, start+100, -1)
}

func (r *Run) expectListed(topic string, spec, want int64) {
	asked := map[string]map[int32]int64{topic: {0: spec}}
	got := must(r.admin.ListOffsets(asked, nil))[topic][0]
	check(failure(got.Err))
	expect(got.Offset == want, "listed %d instead of %d", got.Offset, want)
}

func describeCluster(r *Run) {
	brokers, controller, err := r.admin.DescribeCluster()
	check(err)
	expect(len(brokers) == 1, "%d brokers", len(brokers))
	expect(controller == brokers[0].ID(), "controller %d", controller)
	expect(brokers[0].Addr() == r.bootstrap, "the broker is at %s", brokers[0].Addr())

	// The id of the cluster is in the answer, but not in what the administrator makes of it.
	request := sarama.NewDescribeClusterRequest(config().Version)
	answer := must(must(r.admin.Controller()).DescribeCluster(request))
	expect(answer.Err == sarama.ErrNoError, "%v", answer.Err)
	expect(answer.ClusterID != "", "no cluster id")
}
