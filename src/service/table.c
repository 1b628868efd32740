/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rows.  A function marked AWAITS is a task; to serve one more procedure, write its function
 * and add its row. */
#include "service/table.h"

#include "server/server.h"
#include "service/calls.h"

/* clang-format off */
static const ServerRow rows[] = {
    /* program, procedure, function, mode, flags */
    /* capabilities.c */
    SERVER_ROW(REMOTE, CONNECT_GET_CAPABILITIES, service_connect_get_capabilities, CALL_TASK, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_DOMAIN_CAPABILITIES, service_connect_get_domain_capabilities, CALL_TASK, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_CPU_MODEL_NAMES, service_connect_get_cpu_model_names, CALL_TASK, 0),
    /* connect.c */
    SERVER_ROW(REMOTE, CONNECT_OPEN, service_connect_open, CALL_INLINE, CALL_BEFORE_OPEN | CALL_OPENS),
    SERVER_ROW(REMOTE, CONNECT_GET_TYPE, service_connect_get_type, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_VERSION, service_connect_get_version, CALL_TASK, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_LIB_VERSION, service_connect_get_lib_version, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_HOSTNAME, service_connect_get_hostname, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_URI, service_connect_get_uri, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_IS_SECURE, service_connect_is_secure, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_MAX_VCPUS, service_connect_get_max_vcpus, CALL_TASK, 0),
    SERVER_ROW(REMOTE, CONNECT_SUPPORTS_FEATURE, service_connect_supports_feature, CALL_INLINE, CALL_BEFORE_OPEN),
    /* console.c */
    SERVER_ROW(REMOTE, DOMAIN_OPEN_CONSOLE, service_domain_open_console, CALL_INLINE, 0),
    /* domain-device.c */
    SERVER_ROW(REMOTE, DOMAIN_BLOCK_STATS, service_domain_block_stats, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_BLOCK_STATS_FLAGS, service_domain_block_stats_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_BLOCK_INFO, service_domain_get_block_info, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_INTERFACE_STATS, service_domain_interface_stats, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_VCPU_PIN_INFO, service_domain_get_vcpu_pin_info, CALL_INLINE, 0),
    /* domain-job.c */
    SERVER_ROW(REMOTE, DOMAIN_GET_JOB_STATS, service_domain_get_job_stats, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_JOB_INFO, service_domain_get_job_info, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_ABORT_JOB, service_domain_abort_job, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_ABORT_JOB_FLAGS, service_domain_abort_job_flags, CALL_TASK, CALL_URGENT),
    /* domain-life.c */
    SERVER_ROW(REMOTE, DOMAIN_DEFINE_XML, service_domain_define_xml, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_DEFINE_XML_FLAGS, service_domain_define_xml_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_UNDEFINE, service_domain_undefine, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_UNDEFINE_FLAGS, service_domain_undefine_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_CREATE_XML, service_domain_create_xml, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_CREATE, service_domain_create, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_CREATE_WITH_FLAGS, service_domain_create_with_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_SUSPEND, service_domain_suspend, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_RESUME, service_domain_resume, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_SHUTDOWN, service_domain_shutdown, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_SHUTDOWN_FLAGS, service_domain_shutdown_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_REBOOT, service_domain_reboot, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_RESET, service_domain_reset, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_DESTROY, service_domain_destroy, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_DESTROY_FLAGS, service_domain_destroy_flags, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_SET_AUTOSTART, service_domain_set_autostart, CALL_TASK, 0),
    /* domain-list.c */
    SERVER_ROW(REMOTE, CONNECT_LIST_ALL_DOMAINS, service_connect_list_all_domains, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_NUM_OF_DOMAINS, service_connect_num_of_domains, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_NUM_OF_DEFINED_DOMAINS, service_connect_num_of_defined_domains, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_LIST_DOMAINS, service_connect_list_domains, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_LIST_DEFINED_DOMAINS, service_connect_list_defined_domains, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_GET_ALL_DOMAIN_STATS, service_connect_get_all_domain_stats, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MEMORY_STATS, service_domain_memory_stats, CALL_TASK, 0),
    /* domain-metadata.c */
    SERVER_ROW(REMOTE, DOMAIN_GET_METADATA, service_domain_get_metadata, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_SET_METADATA, service_domain_set_metadata, CALL_TASK, 0),
    /* domain-query.c */
    SERVER_ROW(REMOTE, DOMAIN_LOOKUP_BY_NAME, service_domain_lookup_by_name, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_LOOKUP_BY_UUID, service_domain_lookup_by_uuid, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_LOOKUP_BY_ID, service_domain_lookup_by_id, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_XML_DESC, service_domain_get_xml_desc, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_OS_TYPE, service_domain_get_os_type, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_IS_ACTIVE, service_domain_is_active, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_IS_PERSISTENT, service_domain_is_persistent, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_IS_UPDATED, service_domain_is_updated, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_AUTOSTART, service_domain_get_autostart, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_HAS_MANAGED_SAVE_IMAGE, service_domain_has_managed_save_image, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_STATE, service_domain_get_state, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_INFO, service_domain_get_info, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_CONTROL_INFO, service_domain_get_control_info, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_MAX_MEMORY, service_domain_get_max_memory, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_VCPUS_FLAGS, service_domain_get_vcpus_flags, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_MAX_VCPUS, service_domain_get_max_vcpus, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_VCPUS, service_domain_get_vcpus, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_MESSAGES, service_domain_get_messages, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_SECURITY_LABEL, service_domain_get_security_label, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_GET_SECURITY_LABEL_LIST, service_domain_get_security_label_list, CALL_INLINE, 0),
    /* event.c */
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, service_connect_domain_event_callback_register_any, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, service_connect_domain_event_callback_deregister_any, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_REGISTER, service_connect_domain_event_register, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_DEREGISTER, service_connect_domain_event_deregister, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_REGISTER_ANY, service_connect_domain_event_register_any, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, service_connect_domain_event_deregister_any, CALL_INLINE, 0),
    /* migrate.c */
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_BEGIN3, service_domain_migrate_begin3, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_BEGIN3_PARAMS, service_domain_migrate_begin3_params, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PREPARE3, service_domain_migrate_prepare3, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PREPARE3_PARAMS, service_domain_migrate_prepare3_params, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PREPARE_TUNNEL3, service_domain_migrate_prepare_tunnel3, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PREPARE_TUNNEL3_PARAMS, service_domain_migrate_prepare_tunnel3_params, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PERFORM3, service_domain_migrate_perform3, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_PERFORM3_PARAMS, service_domain_migrate_perform3_params, CALL_TASK, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_FINISH3, service_domain_migrate_finish3, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_FINISH3_PARAMS, service_domain_migrate_finish3_params, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_CONFIRM3, service_domain_migrate_confirm3, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_CONFIRM3_PARAMS, service_domain_migrate_confirm3_params, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_START_POST_COPY, service_domain_migrate_start_post_copy, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_SET_MAX_SPEED, service_domain_migrate_set_max_speed, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_GET_MAX_SPEED, service_domain_migrate_get_max_speed, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_SET_MAX_DOWNTIME, service_domain_migrate_set_max_downtime, CALL_TASK, CALL_URGENT),
    SERVER_ROW(REMOTE, DOMAIN_MIGRATE_GET_MAX_DOWNTIME, service_domain_migrate_get_max_downtime, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_RESOLVE, service_migration_resolve, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_TELL, service_migration_tell, CALL_TASK, CALL_URGENT),
    SERVER_ROW(FERRY, MIGRATION_ASK, service_migration_ask, CALL_INLINE, CALL_URGENT),
    SERVER_ROW(FERRY, MIGRATION_OPEN_RELAY, service_migration_open_relay, CALL_INLINE, 0),
    /* migrate-check.c */
    SERVER_ROW(FERRY, MIGRATION_CHECK_SOURCE, service_migration_check_source, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_CHECK_DESTINATION, service_migration_check_destination, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_CHECK_WAY, service_migration_check_way, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_CHECK_BACK, service_migration_check_back, CALL_TASK, 0),
    SERVER_ROW(FERRY, MIGRATION_CHECK_END, service_migration_check_end, CALL_TASK, 0),
    /* migrate-list.c */
    SERVER_ROW(FERRY, MIGRATION_LIST, service_migration_list, CALL_TASK, 0),
    SERVER_ROW(FERRY, DOCTOR, service_doctor, CALL_TASK, 0),
    /* monitor.c */
    SERVER_ROW(QEMU, DOMAIN_MONITOR_COMMAND, service_qemu_domain_monitor_command, CALL_TASK, 0),
    SERVER_ROW(QEMU, CONNECT_DOMAIN_MONITOR_EVENT_REGISTER, service_qemu_connect_domain_monitor_event_register, CALL_INLINE, 0),
    SERVER_ROW(QEMU, CONNECT_DOMAIN_MONITOR_EVENT_DEREGISTER, service_qemu_connect_domain_monitor_event_deregister, CALL_INLINE, 0),
    /* node.c */
    SERVER_ROW(REMOTE, NODE_GET_INFO, service_node_get_info, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_FREE_MEMORY, service_node_get_free_memory, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_CELLS_FREE_MEMORY, service_node_get_cells_free_memory, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_SECURITY_MODEL, service_node_get_security_model, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_CPU_MAP, service_node_get_cpu_map, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_CPU_STATS, service_node_get_cpu_stats, CALL_INLINE, 0),
    SERVER_ROW(REMOTE, NODE_GET_MEMORY_STATS, service_node_get_memory_stats, CALL_INLINE, 0),
};
/* clang-format on */

void service_register(void)
{
    server_add_rows(server_session_rows, server_session_row_count);
    server_add_rows(rows, G_N_ELEMENTS(rows));
    service_absent_register();
    service_event_init();
    service_monitor_init();
}
