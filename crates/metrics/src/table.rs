//! Table: every metric of a node.
//!
//! Where dashboards made for the usual JMX exporter of Apache Kafka have a name for it, the row
//! has that name; else the name begins with `ottla_`. Not here: who counts or looks it up.
//! Must hold: a counter ends with `_total`; each row is on the page of a running node.

use crate::row::{Kind, Row, metrics};

metrics! {
    /// Bytes of record batches that were appended; without a topic, of all topics.
    BytesIn: Counter "kafka_server_brokertopicmetrics_bytesin_total" [topic], "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=BytesInPerSec";
    /// Bytes of record batches that fetches were answered with; without a topic, of all topics.
    BytesOut: Counter "kafka_server_brokertopicmetrics_bytesout_total" [topic], "bytes",
        "kafka.server:type=BrokerTopicMetrics,name=BytesOutPerSec";
    /// Records that were appended; without a topic, of all topics.
    MessagesIn: Counter "kafka_server_brokertopicmetrics_messagesin_total" [topic], "records",
        "kafka.server:type=BrokerTopicMetrics,name=MessagesInPerSec";
    /// Appends that were asked for, one per partition; without a topic, of all topics.
    Produces: Counter "kafka_server_brokertopicmetrics_totalproducerequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=TotalProduceRequestsPerSec";
    /// Appends that a rule of the log refused; without a topic, of all topics.
    FailedProduces: Counter "kafka_server_brokertopicmetrics_failedproducerequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=FailedProduceRequestsPerSec";
    /// Reads that fetches were answered with, one per partition; without a topic, of all topics.
    Fetches: Counter "kafka_server_brokertopicmetrics_totalfetchrequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=TotalFetchRequestsPerSec";

    /// Requests that were answered, by API and version.
    Requests: Counter "kafka_network_requestmetrics_requests_total" [request, version], "requests",
        "kafka.network:type=RequestMetrics,name=RequestsPerSec";
    /// Error codes in answers, by API and code; one answer may hold several, and NONE counts too.
    Errors: Counter "kafka_network_requestmetrics_errors_total" [request, error], "codes",
        "kafka.network:type=RequestMetrics,name=ErrorsPerSec";
    /// Time from a request's last byte to its answer's last byte.
    RequestTime: Histogram "ottla_request_seconds" [request], "seconds",
        "kafka.network:type=RequestMetrics,name=TotalTimeMs";
    /// The same time by phase: queue (behind the former request), local (decode, handle, encode),
    /// waiting (parked, or behind earlier answers), send (until the socket has taken the answer).
    PhaseTime: Histogram "ottla_request_phase_seconds" [request, phase], "seconds",
        "kafka.network:type=RequestMetrics,name=RequestQueueTimeMs|LocalTimeMs|RemoteTimeMs|\
        ResponseSendTimeMs";
    /// Requests that wait for something else to happen before they are answered, by API.
    Parked: Gauge "kafka_server_delayedoperationpurgatory_purgatorysize" [delayedoperation],
        "requests", "kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize";

    /// Open connections.
    Connections: Gauge "kafka_server_socket_server_metrics_connection_count" [listener],
        "connections", "kafka.server:type=socket-server-metrics connection-count";
    /// Connections that were accepted.
    ConnectionsMade: Counter "kafka_server_socket_server_metrics_connection_creation_total"
        [listener], "connections",
        "kafka.server:type=socket-server-metrics connection-creation-total";
    /// Connections that were refused since there were too many.
    ConnectionsRefused: Counter "ottla_connections_refused_total" [listener], "connections", none;
    /// Bytes of requests, their size prefixes included.
    NetworkIn: Counter "kafka_server_socket_server_metrics_incoming_byte_total" [listener],
        "bytes", "kafka.server:type=socket-server-metrics incoming-byte-total";
    /// Bytes of answers, their size prefixes included.
    NetworkOut: Counter "kafka_server_socket_server_metrics_outgoing_byte_total" [listener],
        "bytes", "kafka.server:type=socket-server-metrics outgoing-byte-total";

    /// Partitions of which this broker holds a replica.
    Partitions: Gauge "kafka_server_replicamanager_partitioncount" [], "partitions",
        "kafka.server:type=ReplicaManager,name=PartitionCount";
    /// Partitions that this broker leads.
    Leaders: Gauge "kafka_server_replicamanager_leadercount" [], "partitions",
        "kafka.server:type=ReplicaManager,name=LeaderCount";
    /// Led partitions with fewer replicas in sync than replicas.
    UnderReplicated: Gauge "kafka_server_replicamanager_underreplicatedpartitions" [],
        "partitions", "kafka.server:type=ReplicaManager,name=UnderReplicatedPartitions";
    /// Partitions whose log cannot be opened, or whose log directory is offline.
    OfflineReplicas: Gauge "kafka_server_replicamanager_offlinereplicacount" [], "partitions",
        "kafka.server:type=ReplicaManager,name=OfflineReplicaCount";
    /// Bytes of batches in a partition's log.
    LogSize: Gauge "kafka_log_log_size" [topic, partition], "bytes", "kafka.log:type=Log,name=Size";
    /// The first offset that a partition's log serves.
    LogStart: Gauge "kafka_log_log_logstartoffset" [topic, partition], "offset",
        "kafka.log:type=Log,name=LogStartOffset";
    /// The offset behind the last record of a partition's log.
    LogEnd: Gauge "kafka_log_log_logendoffset" [topic, partition], "offset",
        "kafka.log:type=Log,name=LogEndOffset";
    /// Segments that a partition's log consists of.
    LogSegments: Gauge "kafka_log_log_numlogsegments" [topic, partition], "segments",
        "kafka.log:type=Log,name=NumLogSegments";
    /// Partitions that are left out of the metrics by partition, since there are so many.
    LogsLeftOut: Gauge "ottla_logs_left_out" [], "partitions", none;
    /// Bytes of batches in all logs of this broker together.
    LogBytes: Gauge "ottla_log_bytes" [], "bytes", none;
    /// Log directories that are offline.
    OfflineDirs: Gauge "kafka_log_logmanager_offlinelogdirectorycount" [], "directories",
        "kafka.log:type=LogManager,name=OfflineLogDirectoryCount";
    /// Whether a log directory is offline: 1 or 0.
    DirOffline: Gauge "kafka_log_logmanager_logdirectoryoffline" [logdirectory], "0 or 1",
        "kafka.log:type=LogManager,name=LogDirectoryOffline";
    /// Log directories that take no new partitions.
    CordonedDirs: Gauge "kafka_log_logmanager_cordonedlogdirectorycount" [], "directories",
        "kafka.log:type=LogManager,name=CordonedLogDirectoryCount";
    /// Whether a log directory takes no new partitions: 1 or 0.
    DirCordoned: Gauge "kafka_log_logmanager_logdirectorycordoned" [logdirectory], "0 or 1",
        "kafka.log:type=LogManager,name=LogDirectoryCordoned";
    /// Syncs of logs, by the directory that they are in.
    Flushes: Counter "ottla_log_flushes_total" [logdirectory], "syncs",
        "kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs";
    /// Logs that are not compacted any more, until a restart, since a file of theirs is damaged.
    Uncleanable: Gauge "kafka_log_logcleanermanager_uncleanable_partitions_count" [logdirectory],
        "logs", "kafka.log:type=LogCleanerManager,name=uncleanable-partitions-count";
    /// What compaction would have to look at in them.
    UncleanableBytes: Gauge "kafka_log_logcleanermanager_uncleanable_bytes" [logdirectory],
        "bytes", "kafka.log:type=LogCleanerManager,name=uncleanable-bytes";
    /// How much of the dirtiest log that is compacted is dirty, when a log was chosen last.
    DirtyPercent: Gauge "kafka_log_logcleanermanager_max_dirty_percent" [], "percent",
        "kafka.log:type=LogCleanerManager,name=max-dirty-percent";
    /// Time since a log to compact was looked for; 0 before the first time.
    CleanerIdle: Gauge "kafka_log_logcleanermanager_time_since_last_run_ms" [], "milliseconds",
        "kafka.log:type=LogCleanerManager,name=time-since-last-run-ms";
    /// What is left of each hundred bytes that the last passes of the cleaners have read.
    CleanerRecopied: Gauge "kafka_log_logcleaner_cleaner_recopy_percent" [], "percent",
        "kafka.log:type=LogCleaner,name=cleaner-recopy-percent";
    /// How much of the room for keys the fullest of the last passes has taken.
    CleanerKeys: Gauge "kafka_log_logcleaner_max_buffer_utilization_percent" [], "percent",
        "kafka.log:type=LogCleaner,name=max-buffer-utilization-percent";
    /// How long the longest of the last passes has taken.
    CleanerTime: Gauge "kafka_log_logcleaner_max_clean_time_secs" [], "seconds",
        "kafka.log:type=LogCleaner,name=max-clean-time-secs";
    /// By how much a log is overdue by max.compaction.lag.ms, when a log was chosen last.
    CleanerDelay: Gauge "kafka_log_logcleaner_max_compaction_delay_secs" [], "seconds",
        "kafka.log:type=LogCleaner,name=max-compaction-delay-secs";
    /// Passes of compaction that came to their end.
    CleanerPasses: Counter "ottla_cleaner_passes_total" [], "passes", none;
    /// Logs that this start has found in the log directories.
    LogsFound: Gauge "ottla_start_logs" [], "logs", none;
    /// Logs that this start has opened, recovery included.
    LogsOpened: Gauge "ottla_start_logs_opened" [], "logs", none;
    /// Bytes that this start has read again since they were not known to be whole.
    BytesRecovered: Gauge "ottla_start_recovered_bytes" [], "bytes", none;

    /// Classic groups that this broker coordinates.
    Groups: Gauge "kafka_coordinator_group_groupmetadatamanager_numgroups" [], "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroups";
    /// Classic groups without a member.
    GroupsEmpty: Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupsempty" [], "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsEmpty";
    /// Classic groups whose members are asked to join.
    GroupsPreparing: Gauge
        "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance" [], "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsPreparingRebalance";
    /// Classic groups that wait for their leader's assignment.
    GroupsCompleting: Gauge
        "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance" [], "groups",
        "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsCompletingRebalance";
    /// Classic groups whose members all have their assignments.
    GroupsStable: Gauge "kafka_coordinator_group_groupmetadatamanager_numgroupsstable" [],
        "groups", "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroupsStable";
    /// Groups of each protocol that this broker coordinates.
    GroupsOfProtocol: Gauge "kafka_server_group_coordinator_metrics_group_count" [protocol],
        "groups", "kafka.server:type=group-coordinator-metrics group-count";
    /// Groups of KIP-848 in each state.
    ConsumerGroups: Gauge "kafka_server_group_coordinator_metrics_consumer_group_count" [state],
        "groups", "kafka.server:type=group-coordinator-metrics consumer-group-count";
    /// Share groups in each state.
    ShareGroups: Gauge "kafka_server_group_coordinator_metrics_share_group_count" [state],
        "groups", "kafka.server:type=group-coordinator-metrics share-group-count";
    /// Streams groups in each state.
    StreamsGroups: Gauge "kafka_server_group_coordinator_metrics_streams_group_count" [state],
        "groups", "kafka.server:type=group-coordinator-metrics streams-group-count";
    /// Times that heartbeats gave groups of KIP-848 that are coordinated here a new epoch.
    ConsumerRebalances: Counter
        "kafka_server_group_coordinator_metrics_consumer_group_rebalance_count_total" [], "epochs",
        "kafka.server:type=group-coordinator-metrics consumer-group-rebalance-count";
    /// Times that heartbeats gave share groups that are coordinated here a new epoch.
    ShareRebalances: Counter
        "kafka_server_group_coordinator_metrics_share_group_rebalance_count_total" [], "epochs",
        "kafka.server:type=group-coordinator-metrics share-group-rebalance-count";
    /// Times that heartbeats gave streams groups that are coordinated here a new epoch.
    StreamsRebalances: Counter
        "kafka_server_group_coordinator_metrics_streams_group_rebalance_count_total" [], "epochs",
        "kafka.server:type=group-coordinator-metrics streams-group-rebalance-count";
    /// Share partitions that share fetches looked at; without a topic, of all topics.
    ShareFetches: Counter "kafka_server_brokertopicmetrics_totalsharefetchrequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=TotalShareFetchRequestsPerSec";
    /// Share partitions that could not be fetched from; without a topic, of all topics.
    FailedShareFetches: Counter
        "kafka_server_brokertopicmetrics_failedsharefetchrequests_total" [topic], "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=FailedShareFetchRequestsPerSec";
    /// Share partitions whose records were acknowledged, in whatever way; without a topic, of all
    /// topics.
    ShareAcknowledgements: Counter
        "kafka_server_brokertopicmetrics_totalshareacknowledgementrequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=TotalShareAcknowledgementRequestsPerSec";
    /// Share partitions where acknowledgements were refused; without a topic, of all topics.
    FailedShareAcknowledgements: Counter
        "kafka_server_brokertopicmetrics_failedshareacknowledgementrequests_total" [topic],
        "partitions",
        "kafka.server:type=BrokerTopicMetrics,name=FailedShareAcknowledgementRequestsPerSec";
    /// Records that members of share groups have acknowledged, by how.
    RecordAcknowledgements: Counter
        "kafka_server_sharegroupmetrics_recordacknowledgements_total" [acktype], "records",
        "kafka.server:type=ShareGroupMetrics,name=RecordAcknowledgementsPerSec";
    /// Records whose locks ran out before anything was said of them; without a group, of all.
    LockTimeouts: Counter "kafka_server_sharepartitionmetrics_acquisitionlocktimeout_total"
        [group, topic, partition], "records",
        "kafka.server:type=SharePartitionMetrics,name=AcquisitionLockTimeoutPerSec";
    /// Records between the first that is not done with and the last that was acquired, those
    /// that are done with left out; without a group, of all.
    InFlight: Gauge "kafka_server_sharepartitionmetrics_inflightmessagecount"
        [group, topic, partition], "records",
        "kafka.server:type=SharePartitionMetrics,name=InFlightMessageCount";
    /// Runs of such records that stand alike; without a group, of all.
    InFlightBatches: Gauge "kafka_server_sharepartitionmetrics_inflightbatchcount"
        [group, topic, partition], "runs",
        "kafka.server:type=SharePartitionMetrics,name=InFlightBatchCount";
    /// Share partitions whose state was read from the share coordinator, since one that had none
    /// here was fetched.
    ShareLoads: Counter "ottla_share_partition_loads_total" [], "partitions",
        "kafka.server:type=ShareGroupMetrics,name=PartitionLoadTimeMs";
    /// How long that took, of all together.
    ShareLoadTime: Counter "ottla_share_partition_load_seconds_total" [], "seconds",
        "kafka.server:type=ShareGroupMetrics,name=PartitionLoadTimeMs";
    /// Share fetches that were answered with records.
    ShareAcquires: Counter "ottla_share_acquires_total" [], "requests",
        "kafka.server:type=ShareGroupMetrics,name=TopicPartitionsAcquireTimeMs";
    /// How long those had waited until there was something to acquire, all together.
    ShareAcquireTime: Counter "ottla_share_acquire_seconds_total" [], "seconds",
        "kafka.server:type=ShareGroupMetrics,name=TopicPartitionsAcquireTimeMs";
    /// Share fetches whose time was up before there was anything to acquire.
    ShareFetchesExpired: Counter "kafka_server_delayedsharefetchmetrics_expires_total" [],
        "requests", "kafka.server:type=DelayedShareFetchMetrics,name=ExpiresPerSec";
    /// Sessions of share consumers that ended with their connection.
    ShareSessionsEvicted: Counter "kafka_server_sharesessioncache_sharesessionevictions_total" [],
        "sessions", "kafka.server:type=ShareSessionCache,name=ShareSessionEvictionsPerSec";
    /// Writes that this broker asked its share coordinator for.
    ShareStateWrites: Counter "kafka_server_share_coordinator_metrics_write_total" [], "writes",
        "kafka.server:type=share-coordinator-metrics write-total";
    /// How long those took until they were committed or refused, all together.
    ShareStateWriteTime: Counter "ottla_share_state_write_seconds_total" [], "seconds",
        "kafka.server:type=share-coordinator-metrics write-latency-avg";
    /// Partitions of the share coordinator's topic on this broker, by what they are doing.
    ShareCoordinators: Gauge "kafka_server_share_coordinator_metrics_num_partitions" [state],
        "partitions", "kafka.server:type=share-coordinator-metrics num-partitions";
    /// Sessions of share consumers.
    ShareSessions: Gauge "kafka_server_sharesessioncache_sharesessionscount" [], "sessions",
        "kafka.server:type=ShareSessionCache,name=ShareSessionsCount";
    /// Partitions in sessions of share consumers.
    SharePartitions: Gauge "kafka_server_sharesessioncache_sharepartitionscount" [],
        "partitions", "kafka.server:type=ShareSessionCache,name=SharePartitionsCount";
    /// Records that were written to dead-letter queues of share groups.
    DeadLetters: Counter "kafka_server_sharegroupmetrics_deadletterqueuerecordcount_total" [],
        "records", "kafka.server:type=ShareGroupMetrics,name=DeadLetterQueueRecordCount";
    /// Batches for dead-letter queues of share groups, each try counted.
    DeadLetterProduces: Counter
        "kafka_server_sharegroupmetrics_deadletterqueuetotalproducerequests_total" [], "batches",
        "kafka.server:type=ShareGroupMetrics,name=DeadLetterQueueTotalProduceRequestsPerSec";
    /// Tries to write a batch to a dead-letter queue that failed.
    FailedDeadLetterProduces: Counter
        "kafka_server_sharegroupmetrics_deadletterqueuefailedproducerequests_total" [], "batches",
        "kafka.server:type=ShareGroupMetrics,name=DeadLetterQueueFailedProduceRequestsPerSec";
    /// Transactional ids that this broker coordinates.
    TransactionalIds: Gauge "ottla_transactional_ids" [], "ids", none;
    /// Partitions of a coordinator's topic that are still read: what is on them is not served yet.
    CoordinatorsLoading: Gauge "ottla_coordinator_partitions_loading" [topic], "partitions", none;
    /// Partitions of a coordinator's topic that cannot be read: what is on them is not served.
    CoordinatorsFailed: Gauge "ottla_coordinator_partitions_failed" [topic], "partitions", none;
    /// Clients that were asked for their metrics, or pushed some.
    TelemetryClients: Gauge "ottla_telemetry_clients" [], "clients", none;
    /// Pushes of clients' metrics that were taken.
    TelemetryPushes: Counter "ottla_telemetry_pushes_total" [], "pushes", none;
    /// Bytes of clients' metrics that were taken, after they were opened.
    TelemetryBytes: Counter "ottla_telemetry_bytes_total" [], "bytes", none;
    /// Pushes for another subscription than the client has.
    TelemetryUnknown: Counter "ottla_telemetry_unknown_subscriptions_total" [], "pushes", none;
    /// Incremental fetch sessions.
    FetchSessions: Gauge "kafka_server_fetchsessioncache_numincrementalfetchsessions" [],
        "sessions", "kafka.server:type=FetchSessionCache,name=NumIncrementalFetchSessions";

    /// Whether this node is the active controller: 1 or 0.
    ActiveController: Gauge "kafka_controller_kafkacontroller_activecontrollercount" [], "0 or 1",
        "kafka.controller:type=KafkaController,name=ActiveControllerCount";
    /// Brokers that are registered and not fenced.
    ActiveBrokers: Gauge "kafka_controller_kafkacontroller_activebrokercount" [], "brokers",
        "kafka.controller:type=KafkaController,name=ActiveBrokerCount";
    /// Brokers that are registered and fenced.
    FencedBrokers: Gauge "kafka_controller_kafkacontroller_fencedbrokercount" [], "brokers",
        "kafka.controller:type=KafkaController,name=FencedBrokerCount";
    /// Topics of the cluster.
    GlobalTopics: Gauge "kafka_controller_kafkacontroller_globaltopiccount" [], "topics",
        "kafka.controller:type=KafkaController,name=GlobalTopicCount";
    /// Partitions of the cluster.
    GlobalPartitions: Gauge "kafka_controller_kafkacontroller_globalpartitioncount" [],
        "partitions", "kafka.controller:type=KafkaController,name=GlobalPartitionCount";
    /// Partitions of the cluster without a leader.
    OfflinePartitions: Gauge "kafka_controller_kafkacontroller_offlinepartitionscount" [],
        "partitions", "kafka.controller:type=KafkaController,name=OfflinePartitionsCount";
    /// The offset of the last record of the metadata log that this broker goes by.
    MetadataOffset: Gauge "kafka_server_brokermetadatametrics_last_applied_record_offset" [],
        "offset", "kafka.server:type=broker-metadata-metrics last-applied-record-offset";

    /// What the broker is doing: 1 starts, 2 recovers its logs, 3 runs, 6 asks to shut down, 7
    /// shuts down.
    BrokerState: Gauge "kafka_server_kafkaserver_brokerstate" [], "state",
        "kafka.server:type=KafkaServer,name=BrokerState";
    /// Always 1; who this node is stands in the labels.
    Info: Gauge "ottla_info" [version, node_id, cluster_id], "1",
        "kafka.server:type=app-info version";
    /// Time since the node's start.
    Uptime: Gauge "ottla_uptime_seconds" [], "seconds", none;
    /// When the node started, since 1970.
    StartTime: Gauge "process_start_time_seconds" [], "seconds", none;
    /// Processor time of the node's process.
    CpuTime: Counter "process_cpu_seconds_total" [], "seconds", none;
    /// Memory of the node's process that is in use (VmRSS).
    ResidentMemory: Gauge "process_resident_memory_bytes" [], "bytes", none;
    /// Files and sockets that the node's process has open.
    OpenFiles: Gauge "process_open_fds" [], "descriptors", none;
    /// How many of them it may have.
    OpenFilesMax: Gauge "process_max_fds" [], "descriptors", none;
}
