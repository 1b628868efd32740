/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One function per procedure.  AWAITS ones are tasks in the table, all others answer at once. */
#pragma once

#include <sys/socket.h>

#include "server/server.h"
#include "wire/procedures.h"

void service_event_init(void);
void service_monitor_init(void);

/* absent.c serves many procedures by one function; it knows which. */
void service_absent_register(void);

/* absent.c */
gboolean service_absent(Call *call, const void *args, void *ret, GError **error);

/* capabilities.c */
AWAITS gboolean service_connect_get_capabilities(Call *call, const void *args,
                                                 RemoteConnectGetCapabilitiesRet *ret,
                                                 GError **error);
AWAITS gboolean service_connect_get_domain_capabilities(
    Call *call, const RemoteConnectGetDomainCapabilitiesArgs *args,
    RemoteConnectGetDomainCapabilitiesRet *ret, GError **error);
AWAITS gboolean service_connect_get_cpu_model_names(Call *call,
                                                    const RemoteConnectGetCpuModelNamesArgs *args,
                                                    RemoteConnectGetCpuModelNamesRet *ret,
                                                    GError **error);

/* connect.c */
gboolean service_connect_open(Call *call, const RemoteConnectOpenArgs *args, void *ret,
                              GError **error);
gboolean service_connect_get_type(Call *call, const void *args, RemoteConnectGetTypeRet *ret,
                                  GError **error);
AWAITS gboolean service_connect_get_version(Call *call, const void *args,
                                            RemoteConnectGetVersionRet *ret, GError **error);
gboolean service_connect_get_lib_version(Call *call, const void *args,
                                         RemoteConnectGetLibVersionRet *ret, GError **error);
gboolean service_connect_get_hostname(Call *call, const void *args,
                                      RemoteConnectGetHostnameRet *ret, GError **error);
gboolean service_connect_get_uri(Call *call, const void *args, RemoteConnectGetUriRet *ret,
                                 GError **error);
gboolean service_connect_is_secure(Call *call, const void *args, RemoteConnectIsSecureRet *ret,
                                   GError **error);
AWAITS gboolean service_connect_get_max_vcpus(Call *call, const RemoteConnectGetMaxVcpusArgs *args,
                                              RemoteConnectGetMaxVcpusRet *ret, GError **error);
gboolean service_connect_supports_feature(Call *call, const RemoteConnectSupportsFeatureArgs *args,
                                          RemoteConnectSupportsFeatureRet *ret, GError **error);

/* console.c */
gboolean service_domain_open_console(Call *call, const RemoteDomainOpenConsoleArgs *args, void *ret,
                                     GError **error);

/* domain-device.c */
AWAITS gboolean service_domain_block_stats(Call *call, const RemoteDomainBlockStatsArgs *args,
                                           RemoteDomainBlockStatsRet *ret, GError **error);
AWAITS gboolean service_domain_block_stats_flags(Call *call,
                                                 const RemoteDomainBlockStatsFlagsArgs *args,
                                                 RemoteDomainBlockStatsFlagsRet *ret,
                                                 GError **error);
AWAITS gboolean service_domain_get_block_info(Call *call, const RemoteDomainGetBlockInfoArgs *args,
                                              RemoteDomainGetBlockInfoRet *ret, GError **error);
gboolean service_domain_interface_stats(Call *call, const RemoteDomainInterfaceStatsArgs *args,
                                        RemoteDomainInterfaceStatsRet *ret, GError **error);
gboolean service_domain_get_vcpu_pin_info(Call *call, const RemoteDomainGetVcpuPinInfoArgs *args,
                                          RemoteDomainGetVcpuPinInfoRet *ret, GError **error);

/* domain-job.c */
AWAITS gboolean service_domain_get_job_stats(Call *call, const RemoteDomainGetJobStatsArgs *args,
                                             RemoteDomainGetJobStatsRet *ret, GError **error);
AWAITS gboolean service_domain_get_job_info(Call *call, const RemoteDomainGetJobInfoArgs *args,
                                            RemoteDomainGetJobInfoRet *ret, GError **error);
AWAITS gboolean service_domain_abort_job(Call *call, const RemoteDomainAbortJobArgs *args,
                                         void *ret, GError **error);
AWAITS gboolean service_domain_abort_job_flags(Call *call,
                                               const RemoteDomainAbortJobFlagsArgs *args, void *ret,
                                               GError **error);

/* domain-life.c */
AWAITS gboolean service_domain_define_xml(Call *call, const RemoteDomainDefineXmlArgs *args,
                                          RemoteDomainDefineXmlRet *ret, GError **error);
AWAITS gboolean service_domain_define_xml_flags(Call *call,
                                                const RemoteDomainDefineXmlFlagsArgs *args,
                                                RemoteDomainDefineXmlFlagsRet *ret, GError **error);
AWAITS gboolean service_domain_undefine(Call *call, const RemoteDomainUndefineArgs *args, void *ret,
                                        GError **error);
AWAITS gboolean service_domain_undefine_flags(Call *call, const RemoteDomainUndefineFlagsArgs *args,
                                              void *ret, GError **error);
AWAITS gboolean service_domain_create_xml(Call *call, const RemoteDomainCreateXmlArgs *args,
                                          RemoteDomainCreateXmlRet *ret, GError **error);
AWAITS gboolean service_domain_create(Call *call, const RemoteDomainCreateArgs *args, void *ret,
                                      GError **error);
AWAITS gboolean service_domain_create_with_flags(Call *call,
                                                 const RemoteDomainCreateWithFlagsArgs *args,
                                                 RemoteDomainCreateWithFlagsRet *ret,
                                                 GError **error);
AWAITS gboolean service_domain_suspend(Call *call, const RemoteDomainSuspendArgs *args, void *ret,
                                       GError **error);
AWAITS gboolean service_domain_resume(Call *call, const RemoteDomainResumeArgs *args, void *ret,
                                      GError **error);
AWAITS gboolean service_domain_shutdown(Call *call, const RemoteDomainShutdownArgs *args, void *ret,
                                        GError **error);
AWAITS gboolean service_domain_shutdown_flags(Call *call, const RemoteDomainShutdownFlagsArgs *args,
                                              void *ret, GError **error);
AWAITS gboolean service_domain_reboot(Call *call, const RemoteDomainRebootArgs *args, void *ret,
                                      GError **error);
AWAITS gboolean service_domain_reset(Call *call, const RemoteDomainResetArgs *args, void *ret,
                                     GError **error);
AWAITS gboolean service_domain_destroy(Call *call, const RemoteDomainDestroyArgs *args, void *ret,
                                       GError **error);
AWAITS gboolean service_domain_destroy_flags(Call *call, const RemoteDomainDestroyFlagsArgs *args,
                                             void *ret, GError **error);
AWAITS gboolean service_domain_set_autostart(Call *call, const RemoteDomainSetAutostartArgs *args,
                                             void *ret, GError **error);

/* domain-list.c */
gboolean service_connect_list_all_domains(Call *call, const RemoteConnectListAllDomainsArgs *args,
                                          RemoteConnectListAllDomainsRet *ret, GError **error);
gboolean service_connect_num_of_domains(Call *call, const void *args,
                                        RemoteConnectNumOfDomainsRet *ret, GError **error);
gboolean service_connect_num_of_defined_domains(Call *call, const void *args,
                                                RemoteConnectNumOfDefinedDomainsRet *ret,
                                                GError **error);
gboolean service_connect_list_domains(Call *call, const RemoteConnectListDomainsArgs *args,
                                      RemoteConnectListDomainsRet *ret, GError **error);
gboolean service_connect_list_defined_domains(Call *call,
                                              const RemoteConnectListDefinedDomainsArgs *args,
                                              RemoteConnectListDefinedDomainsRet *ret,
                                              GError **error);
AWAITS gboolean service_connect_get_all_domain_stats(Call *call,
                                                     const RemoteConnectGetAllDomainStatsArgs *args,
                                                     RemoteConnectGetAllDomainStatsRet *ret,
                                                     GError **error);
AWAITS gboolean service_domain_memory_stats(Call *call, const RemoteDomainMemoryStatsArgs *args,
                                            RemoteDomainMemoryStatsRet *ret, GError **error);

/* domain-metadata.c */
gboolean service_domain_get_metadata(Call *call, const RemoteDomainGetMetadataArgs *args,
                                     RemoteDomainGetMetadataRet *ret, GError **error);
AWAITS gboolean service_domain_set_metadata(Call *call, const RemoteDomainSetMetadataArgs *args,
                                            void *ret, GError **error);

/* domain-query.c */
gboolean service_domain_lookup_by_name(Call *call, const RemoteDomainLookupByNameArgs *args,
                                       RemoteDomainLookupByNameRet *ret, GError **error);
gboolean service_domain_lookup_by_uuid(Call *call, const RemoteDomainLookupByUuidArgs *args,
                                       RemoteDomainLookupByUuidRet *ret, GError **error);
gboolean service_domain_lookup_by_id(Call *call, const RemoteDomainLookupByIdArgs *args,
                                     RemoteDomainLookupByIdRet *ret, GError **error);
gboolean service_domain_get_xml_desc(Call *call, const RemoteDomainGetXmlDescArgs *args,
                                     RemoteDomainGetXmlDescRet *ret, GError **error);
gboolean service_domain_get_os_type(Call *call, const RemoteDomainGetOsTypeArgs *args,
                                    RemoteDomainGetOsTypeRet *ret, GError **error);
gboolean service_domain_is_active(Call *call, const RemoteDomainIsActiveArgs *args,
                                  RemoteDomainIsActiveRet *ret, GError **error);
gboolean service_domain_is_persistent(Call *call, const RemoteDomainIsPersistentArgs *args,
                                      RemoteDomainIsPersistentRet *ret, GError **error);
gboolean service_domain_is_updated(Call *call, const RemoteDomainIsUpdatedArgs *args,
                                   RemoteDomainIsUpdatedRet *ret, GError **error);
gboolean service_domain_get_autostart(Call *call, const RemoteDomainGetAutostartArgs *args,
                                      RemoteDomainGetAutostartRet *ret, GError **error);
gboolean service_domain_has_managed_save_image(Call *call,
                                               const RemoteDomainHasManagedSaveImageArgs *args,
                                               RemoteDomainHasManagedSaveImageRet *ret,
                                               GError **error);
gboolean service_domain_get_state(Call *call, const RemoteDomainGetStateArgs *args,
                                  RemoteDomainGetStateRet *ret, GError **error);
gboolean service_domain_get_info(Call *call, const RemoteDomainGetInfoArgs *args,
                                 RemoteDomainGetInfoRet *ret, GError **error);
gboolean service_domain_get_control_info(Call *call, const RemoteDomainGetControlInfoArgs *args,
                                         RemoteDomainGetControlInfoRet *ret, GError **error);
gboolean service_domain_get_max_memory(Call *call, const RemoteDomainGetMaxMemoryArgs *args,
                                       RemoteDomainGetMaxMemoryRet *ret, GError **error);
gboolean service_domain_get_vcpus_flags(Call *call, const RemoteDomainGetVcpusFlagsArgs *args,
                                        RemoteDomainGetVcpusFlagsRet *ret, GError **error);
gboolean service_domain_get_max_vcpus(Call *call, const RemoteDomainGetMaxVcpusArgs *args,
                                      RemoteDomainGetMaxVcpusRet *ret, GError **error);
gboolean service_domain_get_vcpus(Call *call, const RemoteDomainGetVcpusArgs *args,
                                  RemoteDomainGetVcpusRet *ret, GError **error);
gboolean service_domain_get_messages(Call *call, const RemoteDomainGetMessagesArgs *args,
                                     RemoteDomainGetMessagesRet *ret, GError **error);
gboolean service_domain_get_security_label(Call *call, const RemoteDomainGetSecurityLabelArgs *args,
                                           RemoteDomainGetSecurityLabelRet *ret, GError **error);
gboolean service_domain_get_security_label_list(Call *call,
                                                const RemoteDomainGetSecurityLabelListArgs *args,
                                                RemoteDomainGetSecurityLabelListRet *ret,
                                                GError **error);

/* event.c */
gboolean service_connect_domain_event_callback_register_any(
    Call *call, const RemoteConnectDomainEventCallbackRegisterAnyArgs *args,
    RemoteConnectDomainEventCallbackRegisterAnyRet *ret, GError **error);
gboolean service_connect_domain_event_callback_deregister_any(
    Call *call, const RemoteConnectDomainEventCallbackDeregisterAnyArgs *args, void *ret,
    GError **error);
gboolean service_connect_domain_event_register(Call *call, const void *args,
                                               RemoteConnectDomainEventRegisterRet *ret,
                                               GError **error);
gboolean service_connect_domain_event_deregister(Call *call, const void *args,
                                                 RemoteConnectDomainEventDeregisterRet *ret,
                                                 GError **error);
gboolean service_connect_domain_event_register_any(
    Call *call, const RemoteConnectDomainEventRegisterAnyArgs *args, void *ret, GError **error);
gboolean service_connect_domain_event_deregister_any(
    Call *call, const RemoteConnectDomainEventDeregisterAnyArgs *args, void *ret, GError **error);

/* migrate.c */
AWAITS gboolean service_domain_migrate_begin3(Call *call, const RemoteDomainMigrateBegin3Args *args,
                                              RemoteDomainMigrateBegin3Ret *ret, GError **error);
AWAITS gboolean
service_domain_migrate_begin3_params(Call *call, const RemoteDomainMigrateBegin3ParamsArgs *args,
                                     RemoteDomainMigrateBegin3ParamsRet *ret, GError **error);
AWAITS gboolean service_domain_migrate_prepare3(Call *call,
                                                const RemoteDomainMigratePrepare3Args *args,
                                                RemoteDomainMigratePrepare3Ret *ret,
                                                GError **error);
AWAITS gboolean service_domain_migrate_prepare3_params(
    Call *call, const RemoteDomainMigratePrepare3ParamsArgs *args,
    RemoteDomainMigratePrepare3ParamsRet *ret, GError **error);
AWAITS gboolean service_domain_migrate_prepare_tunnel3(
    Call *call, const RemoteDomainMigratePrepareTunnel3Args *args,
    RemoteDomainMigratePrepareTunnel3Ret *ret, GError **error);
AWAITS gboolean service_domain_migrate_prepare_tunnel3_params(
    Call *call, const RemoteDomainMigratePrepareTunnel3ParamsArgs *args,
    RemoteDomainMigratePrepareTunnel3ParamsRet *ret, GError **error);
AWAITS gboolean service_domain_migrate_perform3(Call *call,
                                                const RemoteDomainMigratePerform3Args *args,
                                                RemoteDomainMigratePerform3Ret *ret,
                                                GError **error);
AWAITS gboolean service_domain_migrate_perform3_params(
    Call *call, const RemoteDomainMigratePerform3ParamsArgs *args,
    RemoteDomainMigratePerform3ParamsRet *ret, GError **error);
AWAITS gboolean service_domain_migrate_finish3(Call *call,
                                               const RemoteDomainMigrateFinish3Args *args,
                                               RemoteDomainMigrateFinish3Ret *ret, GError **error);
AWAITS gboolean
service_domain_migrate_finish3_params(Call *call, const RemoteDomainMigrateFinish3ParamsArgs *args,
                                      RemoteDomainMigrateFinish3ParamsRet *ret, GError **error);
AWAITS gboolean service_domain_migrate_confirm3(Call *call,
                                                const RemoteDomainMigrateConfirm3Args *args,
                                                void *ret, GError **error);
AWAITS gboolean service_domain_migrate_confirm3_params(
    Call *call, const RemoteDomainMigrateConfirm3ParamsArgs *args, void *ret, GError **error);
AWAITS gboolean service_domain_migrate_start_post_copy(Call *call,
                                                       const RemoteDomainMigrateStartPostCopyArgs *args,
                                                       void *ret, GError **error);
AWAITS gboolean service_domain_migrate_set_max_speed(Call *call,
                                                     const RemoteDomainMigrateSetMaxSpeedArgs *args,
                                                     void *ret, GError **error);
gboolean service_domain_migrate_get_max_speed(Call *call,
                                              const RemoteDomainMigrateGetMaxSpeedArgs *args,
                                              RemoteDomainMigrateGetMaxSpeedRet *ret,
                                              GError **error);
AWAITS gboolean service_domain_migrate_set_max_downtime(
    Call *call, const RemoteDomainMigrateSetMaxDowntimeArgs *args, void *ret, GError **error);
AWAITS gboolean service_domain_migrate_get_max_downtime(
    Call *call, const RemoteDomainMigrateGetMaxDowntimeArgs *args,
    RemoteDomainMigrateGetMaxDowntimeRet *ret, GError **error);
gboolean service_migration_open_relay(Call *call, const FerryMigrationOpenRelayArgs *args,
                                      void *ret, GError **error);
AWAITS gboolean service_migration_tell(Call *call, const FerryMigrationTellArgs *args, FerryMigrationTellRet *ret, GError **error);
gboolean service_migration_ask(Call *call, const FerryMigrationAskArgs *args, FerryMigrationAskRet *ret, GError **error);
AWAITS gboolean service_migration_resolve(Call *call, const FerryMigrationResolveArgs *args,
                                          void *ret, GError **error);

/* migrate.c: where the calling connection arrived: the address that reaches us from there.  FALSE:
 * over no network. */
gboolean service_control_address(const Caller *caller, struct sockaddr_storage *ret_address);

/* migrate-check.c */
AWAITS gboolean service_migration_check_way(Call *call, const FerryMigrationCheckWayArgs *args,
                                            FerryMigrationCheckWayRet *ret, GError **error);
AWAITS gboolean service_migration_check_source(Call *call,
                                               const FerryMigrationCheckSourceArgs *args,
                                               FerryMigrationCheckSourceRet *ret, GError **error);
AWAITS gboolean service_migration_check_destination(Call *call,
                                                    const FerryMigrationCheckDestinationArgs *args,
                                                    FerryMigrationCheckDestinationRet *ret,
                                                    GError **error);
AWAITS gboolean service_migration_check_back(Call *call, const void *args,
                                             FerryMigrationCheckBackRet *ret, GError **error);
AWAITS gboolean service_migration_check_end(Call *call, const void *args, void *ret, GError **error);

/* migrate-list.c */
AWAITS gboolean service_migration_list(Call *call, const FerryMigrationListArgs *args,
                                       FerryMigrationListRet *ret, GError **error);
AWAITS gboolean service_doctor(Call *call, const FerryDoctorArgs *args, FerryDoctorRet *ret,
                               GError **error);

/* monitor.c */
AWAITS gboolean service_qemu_domain_monitor_command(Call *call,
                                                    const QemuDomainMonitorCommandArgs *args,
                                                    QemuDomainMonitorCommandRet *ret,
                                                    GError **error);
gboolean service_qemu_connect_domain_monitor_event_register(
    Call *call, const QemuConnectDomainMonitorEventRegisterArgs *args,
    QemuConnectDomainMonitorEventRegisterRet *ret, GError **error);
gboolean service_qemu_connect_domain_monitor_event_deregister(
    Call *call, const QemuConnectDomainMonitorEventDeregisterArgs *args, void *ret, GError **error);

/* node.c */
gboolean service_node_get_info(Call *call, const void *args, RemoteNodeGetInfoRet *ret,
                               GError **error);
gboolean service_node_get_free_memory(Call *call, const void *args, RemoteNodeGetFreeMemoryRet *ret,
                                      GError **error);
gboolean service_node_get_cells_free_memory(Call *call,
                                            const RemoteNodeGetCellsFreeMemoryArgs *args,
                                            RemoteNodeGetCellsFreeMemoryRet *ret, GError **error);
gboolean service_node_get_security_model(Call *call, const void *args,
                                         RemoteNodeGetSecurityModelRet *ret, GError **error);
gboolean service_node_get_cpu_map(Call *call, const RemoteNodeGetCpuMapArgs *args,
                                  RemoteNodeGetCpuMapRet *ret, GError **error);
gboolean service_node_get_cpu_stats(Call *call, const RemoteNodeGetCpuStatsArgs *args,
                                    RemoteNodeGetCpuStatsRet *ret, GError **error);
gboolean service_node_get_memory_stats(Call *call, const RemoteNodeGetMemoryStatsArgs *args,
                                       RemoteNodeGetMemoryStatsRet *ret, GError **error);
